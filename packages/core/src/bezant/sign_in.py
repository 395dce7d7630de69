"""Who is signed in in a browser, as the application that shows the login page says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bezant.errors import ConfigurationError
from bezant.runtime import MaybeAwaitable

__all__ = ["SignIn", "SignInCallable"]


@dataclass(frozen=True, slots=True)
class SignIn:
    """A resource owner's sign-in in one browser.

    Raises:
        ConfigurationError: The subject or the session's id is empty.
    """

    subject: str
    """``sub``."""
    auth_time: float
    """When the resource owner last proved who they are, in seconds since the epoch; with its
    fraction, so that it can be told from a request that came just after."""
    session_id: str
    """``sid``: the application's name for this sign-in, random, and never the secret in a cookie.
    Somebody who proves again who they are may keep it."""
    acr: str | None = None
    """How well the resource owner was authenticated (OpenID Connect Core section 2)."""
    amr: tuple[str, ...] = ()
    """By what: ``pwd``, ``otp``, ... (RFC 8176)."""

    def __post_init__(self) -> None:
        if not self.subject or not self.session_id:
            raise ConfigurationError("sign_in", "a sign-in has a subject and a session id")


SignInCallable: TypeAlias = Callable[[Any], MaybeAwaitable[SignIn | None]]
"""Takes the framework's own request, returns who is signed in, or None; ``def`` or ``async
def``."""
