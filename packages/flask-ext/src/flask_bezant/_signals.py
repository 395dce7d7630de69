"""Core's events as a signal."""

from __future__ import annotations

import logging
from typing import Final
from weakref import WeakSet, ref

from blinker import NamedSignal, Namespace
from flask import Flask, current_app, has_app_context

from bezant.events import Event, Events

logger: logging.Logger = logging.getLogger(__name__)

HEARD: Final = "bezant.events"
"""The key in ``app.extensions`` of the events that an application sends already."""

security_event: NamedSignal = Namespace().signal(
    "security-event", "Something happened that matters to security: ``event`` says what."
)
"""Sent for each of core's events, with the application as sender and the `Event` as ``event``.
Receivers may be ``async def``; one that fails is logged and keeps the event from nobody else."""


def send_events(events: Events, app: Flask) -> None:
    """Let core tell an application of its events as signals; once, however often it is called."""
    heard: WeakSet[Events] = app.extensions.setdefault(HEARD, WeakSet())
    if events in heard:
        return
    heard.add(events)
    home = ref(app)  # a server may outlive an application

    @events.subscribe
    def send(event: Event) -> None:
        app = home()
        # Applications may share a server; then the one at work is the sender.
        if app is None or (has_app_context() and current_app != app) or security_event.is_muted:
            return
        # Not `security_event.send`: there the first receiver that fails ends it for the others.
        for receiver in security_event.receivers_for(app):
            try:
                app.ensure_sync(receiver)(app, event=event)
            except Exception:
                logger.exception("a receiver failed on %s", type(event).__name__)
