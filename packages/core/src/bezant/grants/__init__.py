"""What a grant is: it decides who gets what. It builds neither tokens nor answers (RFC 6749 section
4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from bezant.clients import Client
from bezant.http import Form
from bezant.runtime import Runtime
from bezant.stores import Authorization
from bezant.users import User

__all__ = ["Decision", "Grant", "TokenContext"]


@dataclass(frozen=True, slots=True)
class TokenContext:
    """A token request whose client is authenticated and may use the grant."""

    client: Client
    form: Form
    address: str
    now: float
    """Seconds since the epoch."""
    runtime: Runtime


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be issued. All further rules about tokens are the issuer's."""

    client: Client
    subject: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    user: User | None = None
    """The resource owner as of now; None when the client acts for itself."""
    authorization: Authorization | None = None
    """What the resource owner gave, at the generation whose refresh token is to be handed out."""
    nonce: str | None = field(default=None, repr=False)
    """For the ID token: what binds it to the client's request."""
    acr: str | None = None
    """For the ID token: how well the resource owner was authenticated."""
    amr: tuple[str, ...] = ()
    """For the ID token: by what."""


class Grant(Protocol):
    """One way to get tokens."""

    grant_type: str

    async def decide(self, context: TokenContext, /) -> Decision:
        """Decide, or raise the `OAuthError` that says why not."""
