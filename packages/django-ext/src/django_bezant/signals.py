"""What happens that matters to security, as a Django signal.

One signal carries all of core's events; its sender is the kind of event::

    @receiver(signals.security_event, sender=RefreshReuseDetected)
    def warn(sender, event, **kwargs): ...
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from django.dispatch import Signal

from bezant.events import Event

__all__ = ["announce", "security_event"]

security_event: Final[Signal] = Signal()
"""Sent with ``event``, one of `bezant.events`, from its class. A receiver that fails is logged by
Django and disturbs nobody. Under ASGI receivers run a moment later, those that are ``def`` in a
thread, so that they may use the ORM."""

_running: set[asyncio.Task[Any]] = set()


def announce(happened: Event) -> None:
    """Send the signal; a subscriber for `bezant.events.Events`."""
    if not security_event.has_listeners(type(happened)):
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        security_event.send_robust(type(happened), event=happened)
        return
    task = loop.create_task(security_event.asend_robust(type(happened), event=happened))
    _running.add(task)  # the loop itself keeps no hold of it
    task.add_done_callback(_running.discard)
