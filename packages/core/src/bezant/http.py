"""Requests and responses without a framework, and the parsing that every endpoint shares.

Forms and headers are ordered pairs, so that a repeated parameter is visible and refused (RFC 6749
section 3.2). The query string never mixes into the form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from bezant.encoding import json_encode
from bezant.errors import InvalidRequest, OAuthError, PayloadTooLarge, UnsupportedMediaType

__all__ = [
    "NO_STORE",
    "Form",
    "Request",
    "Response",
    "error_response",
    "json_response",
    "one_authorization",
    "parse_form",
    "printable",
    "read_form",
    "unreadable_body",
]

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 100

NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
"""For every answer that holds a token or speaks of one (RFC 6749 section 5.1)."""

_PARAMETERS = frozenset(
    {
        *("acr_values", "claims", "client_assertion", "client_assertion_type", "client_id"),
        *("client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier"),
        *("grant_type", "id_token_hint", "login_hint", "logout_token", "max_age", "nonce"),
        *("password", "post_logout_redirect_uri", "prompt", "redirect_uri", "refresh_token"),
        *("request", "request_uri", "response_mode", "response_type", "scope", "state", "token"),
        *("token_type_hint", "ui_locales", "username"),
    }
)
_REPEATABLE = frozenset({"resource"})
# Other schemes, such as Digest, have lists of parameters.
_SEVERAL = re.compile(r"^\s*(?:basic|bearer)\b[^,]*,|,\s*(?:basic|bearer)\b", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request, as an adapter hands it over.

    Its repr shows neither headers nor body: both hold secrets.
    """

    method: str
    headers: tuple[tuple[str, str], ...] = ()
    """Pairs in order, names in lower case."""
    body: bytes = b""
    """As received. An adapter may stop reading after one byte more than ``Endpoint.max_body``."""
    query: str = ""
    """The raw query string, without the question mark."""
    address: str = ""
    """The address of the peer, after trusted proxies; empty when unknown."""
    native: Any = None
    """The framework's own request, for callables of the application."""

    def header(self, name: str) -> list[str]:
        """All values of a header, in order; ``name`` in lower case."""
        return [value for key, value in self.headers if key == name]

    def __repr__(self) -> str:
        return f"<Request {self.method}>"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """One HTTP response. Its repr shows no body: it may hold a token."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header; ``name`` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def one_authorization(values: Sequence[str]) -> str:
    """The value of the Authorization header, when there is just one; empty when there is none.

    WSGI joins repeated headers with a comma, so a list in one header counts as several headers.

    Raises:
        ValueError: There are several.
    """
    if len(values) == 1 and "," not in values[0]:
        return values[0]
    joined = ",".join(values)
    if _SEVERAL.search(joined):
        raise ValueError("several sets of credentials")
    return joined


class Form(Mapping[str, str]):
    """The parameters of a form: each name once, an empty value counts as absent (RFC 6749 section
    3.2). Only ``resource`` may be there several times (RFC 8707 section 2).

    Args:
        pairs: Decoded names and values, in order.

    Raises:
        InvalidRequest: A parameter is repeated.
    """

    __slots__ = ("_pairs", "_values")

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        seen: dict[str, str] = {}
        for name, value in pairs:
            if name in seen and name not in _REPEATABLE:
                # Only names that mean something are quoted: with an unescaped "&" in a password,
                # a name may be a piece of it.
                which = f"the parameter {name}" if name in _PARAMETERS else "a parameter"
                raise InvalidRequest(f"{which} is repeated; send it once")
            seen[name] = value
        self._pairs = tuple(pair for pair in pairs if pair[1])
        self._values = {name: value for name, value in seen.items() if value}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be there several times, in order."""
        return tuple(value for key, value in self._pairs if key == name)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All parameters, in order."""
        return self._pairs

    def require(self, name: str) -> str:
        """The value of a parameter that must be there.

        Raises:
            InvalidRequest: It is missing or empty.
        """
        value = self._values.get(name)
        if value is None:
            raise InvalidRequest(f"the parameter {name} is missing")
        return value

    def __repr__(self) -> str:
        return f"<Form {sorted(self._values)}>"


def read_form(request: Request, *, limit: int) -> Form:
    """The form in a request's body.

    Args:
        request: Any request.
        limit: The largest body taken, in bytes.

    Raises:
        PayloadTooLarge: The body is larger than ``limit``.
        UnsupportedMediaType: The body is something other than a form.
        InvalidRequest: The form is malformed.
    """
    if len(request.body) > limit:
        raise PayloadTooLarge(f"the body is larger than {limit} bytes")
    content_type = request.header("content-type")
    media_type, _, parameters = (content_type[0] if len(content_type) == 1 else "").partition(";")
    if media_type.strip().lower() != FORM_TYPE:
        raise UnsupportedMediaType(f"send the parameters in the body as {FORM_TYPE}")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("send the form in UTF-8")
    return Form(parse_form(request.body))


def parse_form(body: bytes) -> tuple[tuple[str, str], ...]:
    """Decode ``application/x-www-form-urlencoded`` strictly.

    Args:
        body: The encoded form.

    Raises:
        InvalidRequest: Too many fields, a broken escape, broken UTF-8, or a NUL character.
    """
    if body.count(b"&") >= MAX_FIELDS:
        raise InvalidRequest(f"the form has more than {MAX_FIELDS} fields")
    if _BAD_ESCAPE.search(body):
        raise InvalidRequest("the form has a percent sign that starts no escape")
    pairs = []
    for field in body.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return tuple(pairs)


def _decode(encoded: bytes) -> str:
    if b"+" in encoded or b"%" in encoded:
        encoded = unquote_to_bytes(encoded.replace(b"+", b" "))
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("the form is not valid UTF-8") from None
    if "\0" in text:
        raise InvalidRequest("the form holds a NUL character")
    return text


def printable(text: str) -> str:
    """A name from outside, fit for ``error_description`` (RFC 6749 section 5.2: printable ASCII, no
    quote).
    """
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:40])


def json_response(
    status: int, document: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = NO_STORE
) -> Response:
    """A JSON answer; not to be stored unless other headers are given."""
    return Response(status, (("content-type", "application/json"), *headers), json_encode(document))


def error_response(error: OAuthError) -> Response:
    """The one place where an error becomes an answer (RFC 6749 section 5.2)."""
    document = {"error": error.code} if error.code else {}
    if error.description:
        document["error_description"] = error.description
    return json_response(error.status, document, (*NO_STORE, *error.headers))


def unreadable_body() -> Response:
    """The answer to a request whose body broke off, or is not encoded as its headers say."""
    return error_response(InvalidRequest("the body cannot be read"))
