"""Telling clients of logouts, beside the requests."""

from __future__ import annotations

from flask import Flask

from bezant import AuthorizationServer


def tell_clients(app: Flask, server: AuthorizationServer) -> None:
    """Let a process that answers requests of an application send what is queued; not in tests.

    A thread that began before would not come along when a web server forks its workers.
    """
    sender = server.logout_sender
    if sender is None:
        return

    @app.before_request
    def start() -> None:
        if not app.testing:
            sender.start()
