"""What most commands begin with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bezant_server.cli.output import notice

if TYPE_CHECKING:
    from bezant_server.administration import Administration

__all__ = ["opened"]


def opened() -> AbstractContextManager[Administration]:
    """The database that the settings name, with all that commands do to it."""
    from bezant_server.administration import administration
    from bezant_server.settings import load_settings

    return administration(load_settings(), notice)
