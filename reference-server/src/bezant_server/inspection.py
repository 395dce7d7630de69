"""Looking into a token, with what this server's settings lead to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from bezant import inspection
from bezant.errors import BezantError
from bezant.inspection import Inspection, issuer_of
from bezant.runtime import SYNC, run_sync
from bezant.urls import is_loopback
from bezant_server.administration import Administration, administration
from bezant_server.secret_file import secret_source
from bezant_server.settings import Settings

__all__ = ["Inspection", "inspect"]


def inspect(
    token: str, settings: Settings, *, audience: str | None = None, now: float | None = None
) -> Inspection:
    """Look into a token, without sending it anywhere.

    Args:
        token: An access token or a refresh token.
        settings: Where the keys are, if there is a database.
        audience: The API that would have to take it.
        now: Seconds since the epoch.
    """
    now = time.time() if now is None else now
    issuer = issuer_of(token)
    if settings.issuer is None and issuer is not None and _is_local(issuer):
        # Nobody said who the issuer is, so it is whoever serves on this machine.
        settings = settings.model_copy(update={"issuer": issuer})
    with _opened(settings) as (at, missing):
        server = None if at is None else at.server
        return run_sync(
            inspection.inspect(
                token, SYNC, now=now, server=server, audience=audience, unchecked=missing
            )
        )


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Administration | None, str]]:
    """The database, if there is one that can be used; else why not."""
    with ExitStack() as stack:
        at, missing = None, ""
        try:
            source = secret_source(settings)
            if source.ours and source.file is not None and not source.file.exists():
                missing = "there is no database here with the server's keys"
            else:
                at = stack.enter_context(administration(settings, lambda _: None))
        except BezantError as error:
            missing = str(error)
        yield at, missing


def _is_local(issuer: str) -> bool:
    try:
        url = urlsplit(issuer)
        return url.scheme == "http" and is_loopback(url.hostname or "")
    except ValueError:
        return False
