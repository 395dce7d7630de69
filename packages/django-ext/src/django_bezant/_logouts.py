"""Telling clients of logouts, beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core import mail
from django.db import close_old_connections
from django.http import HttpRequest

from bezant import Runtime
from django_bezant import conf
from django_bezant._http import in_thread

__all__ = ["tell_clients"]

_PATIENT: Final = Runtime(io=in_thread, wait=asyncio.wrap_future, loop=True, sleep=asyncio.sleep)
_sending: set[asyncio.Task[None]] = set()


def tell_clients(request: HttpRequest) -> None:
    """Let a process that answers requests send what is queued; not in tests.

    In a thread; for stores that are ``async def``, on the loop of the request.

    Args:
        request: Any that the process answers.
    """
    site = conf.site()
    sender = None if site.server is None else site.server.logout_sender
    if sender is None or hasattr(mail, "outbox"):  # which is there in tests alone
        return
    if site.blocking or not hasattr(request, "scope"):
        sender.start(_connections)
    elif not _sending:
        task = asyncio.get_running_loop().create_task(sender.run(_PATIENT))
        _sending.add(task)  # the loop itself keeps no hold of it
        task.add_done_callback(_sending.discard)


@contextmanager
def _connections() -> Iterator[None]:
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
