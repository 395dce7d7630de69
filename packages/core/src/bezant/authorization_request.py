"""What a client asks of the authorization endpoint (RFC 6749 section 4.1.1, OpenID Connect Core
section 3.1.2.1), read in the order in which it can be trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from bezant.claims import OPENID, implied
from bezant.clients import Client
from bezant.documents import from_json
from bezant.encoding import json_object
from bezant.errors import (
    InvalidRequest,
    RequestNotSupported,
    RequestURINotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from bezant.http import Form
from bezant.pkce import check_challenge
from bezant.redirects import is_registered
from bezant.resources import narrow_resources
from bezant.scopes import narrow

__all__ = [
    "PROMPTS",
    "RESPONSE_MODES",
    "AuthorizationRequest",
    "proven_redirect",
    "response_mode",
    "sent_state",
    "still_proven",
]

RESPONSE_MODES: Final = ("query", "form_post")
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
LONGEST: Final = 1024
"""Characters of ``state``, ``nonce`` and hints at most."""
LONGEST_CLAIMS: Final = 4096
"""Characters of ``claims`` at most."""


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
    """Of the ``id_token_hint``, or of ``sub`` in ``claims``: nobody else will do."""
    acr_values: tuple[str, ...] = ()
    """How well the client would like the resource owner to be authenticated, best first."""
    essential_acr: tuple[str, ...] = ()
    """How well they have to be: one of these, when there are any (``acr`` in ``claims``)."""
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
        claims = _claims(form.get("claims")) if OPENID in scopes else {}
        if more := implied(claims, scopes, client.scopes):
            claims["implied"], scopes = more, (*scopes, *more)
        about_sign_in = claims.get("id_token", {})
        named = _values(about_sign_in, "sub")
        if hinted_subject is not None and named and hinted_subject not in named:
            raise InvalidRequest("id_token_hint and claims mean different people")
        if len(named) > 1:
            raise InvalidRequest("claims may ask for one sub")
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
            hinted_subject=named[0] if named else hinted_subject,
            acr_values=_words(form.get("acr_values", "")),
            essential_acr=_values(about_sign_in, "acr", essential=True),
            ui_locales=_words(form.get("ui_locales", "")),
            claims=json.dumps(claims) if claims else "",
        )


def proven_redirect(form: Form, client: Client | None) -> tuple[Client, str]:
    """The client and the redirect URI, which come first: before they are proven nothing is sent
    anywhere (RFC 9700 section 4.11.2).

    Raises:
        InvalidRequest: For the person in front of the browser, and for nobody else.
    """
    client = _known(client)
    uri = form.get("redirect_uri")
    if uri is None:
        raise InvalidRequest("the application did not say where to go back to (redirect_uri)")
    _check_redirect(uri, client)
    return client, uri


def still_proven(request: AuthorizationRequest, client: Client | None) -> Client:
    """The client of a request that has waited: what was proven of it must be so still.

    Raises:
        InvalidRequest: For the person in front of the browser, and for nobody else.
    """
    client = _known(client)
    _check_redirect(request.redirect_uri, client)
    return client


def sent_state(form: Form) -> str | None:
    """``state`` for an answer; None when it is longer than any that is taken."""
    state = form.get("state", "")
    return state if 0 < len(state) <= LONGEST else None


def response_mode(form: Form) -> str:
    """How the answer travels.

    Raises:
        InvalidRequest: ``fragment``, or something unknown.
    """
    mode = form.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise InvalidRequest(f"response_mode must be one of {', '.join(RESPONSE_MODES)}")
    return mode


def _known(client: Client | None) -> Client:
    if client is None or not client.active:
        raise InvalidRequest("the application that sent you here is not known to this server")
    return client


def _check_redirect(uri: str, client: Client) -> None:
    if not is_registered(uri, client.redirect_uris):
        raise InvalidRequest(
            "the application wants to go back to an address that is not registered for it "
            "(redirect_uri)"
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest("max_age is a whole number of seconds, 0 or more")
    return int(text)


def _claims(text: str | None) -> dict[str, Any]:
    """The ``claims`` parameter (OpenID Connect Core section 5.5), less what means nothing here."""
    if text is None:
        return {}
    if len(text) > LONGEST_CLAIMS:
        raise InvalidRequest(f"claims may have {LONGEST_CLAIMS} characters")
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
    return kept


def _values(members: Mapping[str, Any], name: str, *, essential: bool = False) -> tuple[str, ...]:
    """The values that a claim is asked for with, in ``value`` or ``values`` (section 5.5.1).

    Args:
        members: A part of the ``claims`` parameter.
        name: Which claim.
        essential: Look only at one that is marked as essential.
    """
    wanted = members.get(name) or {}
    if essential and wanted.get("essential") is not True:
        return ()
    values = wanted.get("values", [])
    if "value" in wanted:
        values = [wanted["value"]]
    if not isinstance(values, list) or not all(type(value) is str for value in values):
        raise InvalidRequest(f"the values of {name} in claims are not texts")
    return tuple(dict.fromkeys(values))
