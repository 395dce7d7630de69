"""What a client asks of the authorization endpoint (RFC 6749 section 4.1.1, OpenID Connect Core
section 3.1.2.1), read in the order in which it can be trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from bezant.claims import OPENID
from bezant.clients import Client
from bezant.documents import from_json
from bezant.encoding import json_object
from bezant.errors import (
    InvalidRequest,
    InvalidTarget,
    RequestNotSupported,
    RequestURINotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from bezant.http import Form
from bezant.pkce import check_challenge
from bezant.redirects import is_registered
from bezant.scopes import narrow

__all__ = [
    "PROMPTS",
    "RESPONSE_MODES",
    "AuthorizationRequest",
    "narrow_resources",
    "proven_redirect",
    "response_mode",
]

RESPONSE_MODES: Final = ("query", "form_post")
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
LONGEST: Final = 1024
"""Characters of ``state``, ``nonce`` and hints at most."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that has been looked at. Times are in seconds."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    resources: tuple[str, ...]
    """Who the access token is for (RFC 8707): all that the client may name, or those it named."""
    response_mode: str = "query"
    state: str | None = field(default=None, repr=False)
    nonce: str | None = field(default=None, repr=False)
    prompts: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = field(default=None, repr=False)
    hinted_subject: str | None = None
    """Of the ``id_token_hint``."""
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    claims: str = ""
    """The ``claims`` parameter, as JSON; empty when nothing was asked for."""

    @property
    def openid(self) -> bool:
        """Whether an ID token is asked for."""
        return OPENID in self.scopes

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what `document` made."""
        return cls(**from_json(document))

    @classmethod
    def read(
        cls,
        form: Form,
        client: Client,
        redirect_uri: str,
        *,
        audience: tuple[str, ...],
        hinted_subject: str | None = None,
    ) -> Self:
        """Read the parameters of a client and a redirect URI that are proven.

        Args:
            form: All parameters.
            client: Who asks.
            redirect_uri: Where the answer goes.
            audience: Who this client's tokens are for.
            hinted_subject: Of the ``id_token_hint``, when there was a good one.

        Raises:
            OAuthError: For the client: it goes to its redirect URI.
        """
        if "request" in form:
            raise RequestNotSupported("send the parameters themselves, or push them (RFC 9126)")
        if "request_uri" in form:
            raise RequestURINotSupported("only request URIs of pushed requests are known here")
        if form.require("response_type") != "code":
            raise UnsupportedResponseType("response_type must be code")
        if "authorization_code" not in client.grants:
            raise UnauthorizedClient("this client may not use the grant authorization_code")
        challenge = check_challenge(form.get("code_challenge"), form.get("code_challenge_method"))
        scopes = narrow(form.get("scope"), client.scopes)
        prompts = _words(form.get("prompt", ""))
        if not PROMPTS.issuperset(prompts):
            raise InvalidRequest(f"prompt may hold {', '.join(sorted(PROMPTS))}")
        if "none" in prompts and len(prompts) > 1:
            raise InvalidRequest("prompt=none goes with no other")
        for name in ("state", "nonce", "login_hint", "acr_values", "ui_locales"):
            if len(form.get(name, "")) > LONGEST:
                raise InvalidRequest(f"{name} may have {LONGEST} characters")
        return cls(
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            scopes=scopes,
            code_challenge=challenge,
            resources=narrow_resources(form.all("resource"), audience),
            response_mode=response_mode(form),
            state=form.get("state"),
            nonce=form.get("nonce"),
            prompts=prompts,
            max_age=_seconds(form.get("max_age")),
            login_hint=form.get("login_hint"),
            hinted_subject=hinted_subject,
            acr_values=_words(form.get("acr_values", "")),
            ui_locales=_words(form.get("ui_locales", "")),
            claims=_claims(form.get("claims")) if OPENID in scopes else "",
        )


def proven_redirect(form: Form, client: Client | None) -> tuple[Client, str]:
    """The client and the redirect URI, which come first: before they are proven nothing is sent
    anywhere (RFC 9700 section 4.11.2).

    Raises:
        InvalidRequest: For the person in front of the browser, and for nobody else.
    """
    if client is None or not client.active:
        raise InvalidRequest("the application that sent you here is not known to this server")
    uri = form.get("redirect_uri")
    if uri is None:
        raise InvalidRequest("the application did not say where to go back to (redirect_uri)")
    if not is_registered(uri, client.redirect_uris):
        raise InvalidRequest(
            "the application wants to go back to an address that is not registered for it "
            "(redirect_uri)"
        )
    return client, uri


def response_mode(form: Form) -> str:
    """How the answer travels.

    Raises:
        InvalidRequest: ``fragment``, or something unknown.
    """
    mode = form.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise InvalidRequest(f"response_mode must be one of {', '.join(RESPONSE_MODES)}")
    return mode


def narrow_resources(requested: Iterable[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Who a token is for: those named, or all that may be named (RFC 8707 section 2).

    Raises:
        InvalidTarget: One of them is unknown, or not for this client.
    """
    wanted = tuple(dict.fromkeys(requested))
    if not wanted:
        return allowed
    if not set(wanted) <= set(allowed):
        raise InvalidTarget("this client cannot get tokens for that resource")
    return wanted


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest("max_age is a whole number of seconds, 0 or more")
    return int(text)


def _claims(text: str | None) -> str:
    """The ``claims`` parameter (OpenID Connect Core section 5.5), checked and written anew."""
    if text is None:
        return ""
    try:
        wanted = json_object(text.encode())
    except ValueError:
        raise InvalidRequest("claims is not one JSON object") from None
    kept = {}
    for place in ("userinfo", "id_token"):
        members = wanted.get(place, {})
        if not isinstance(members, dict) or not all(
            member is None or isinstance(member, dict) for member in members.values()
        ):
            raise InvalidRequest(f"{place} in claims is not an object of claims")
        kept[place] = members
    return json.dumps(kept)
