"""What login, consent and logout views call: `interactions` and `logouts` in ``def`` views,
``await`` `ainteractions` and `alogouts` in ``async def`` ones; the verbs are the same.

Each answer is an `HttpResponse`::

    def denied(request):
        return interactions.deny(request.GET["interaction"])
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from django.http import HttpResponse

from bezant.hosting import AsyncInteractions, AsyncLogouts, SyncInteractions, SyncLogouts
from bezant.runtime import Runtime
from django_bezant import conf
from django_bezant._guard import drive
from django_bezant._http import RUNTIME, respond

__all__ = ["ainteractions", "alogouts", "interactions", "logouts"]

T = TypeVar("T")


def _drive(flow: Callable[[Runtime], Coroutine[Any, Any, T]]) -> T:
    return drive(None, flow)


interactions: Final[SyncInteractions[HttpResponse]] = SyncInteractions(conf.server, _drive, respond)
"""For login, consent and account pages."""
logouts: Final[SyncLogouts[HttpResponse]] = SyncLogouts(conf.server, _drive, respond)
"""For the logout page, and for whatever else ends a sign-in."""
ainteractions: Final[AsyncInteractions[HttpResponse]] = AsyncInteractions(
    conf.server, RUNTIME, respond
)
"""`interactions`, awaited."""
alogouts: Final[AsyncLogouts[HttpResponse]] = AsyncLogouts(conf.server, RUNTIME, respond)
"""`logouts`, awaited."""
