"""What the server's own commands refuse."""

from __future__ import annotations

from bezant.errors import BezantError

__all__ = ["Refused"]


class Refused(BezantError):
    """What was asked for cannot be done; the message says why and what to do instead."""
