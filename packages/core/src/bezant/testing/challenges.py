"""What a refused request is told: the challenges in an answer, read and compared.

Answers of any client are taken: httpx, requests and the test clients of Starlette, Flask, Django
and aiohttp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Challenge", "assert_challenge", "challenges", "parse_challenges"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !\x23-\x5b\x5d-\x7e]|\\[\t -~])*"'
_END = r"(?=[ \t]*(?:,|\Z))"
# A comma stands between challenges and between the parameters of one, so an element of the list
# begins a challenge, goes on with one, or both.
_ELEMENT = re.compile(
    rf"(?:(?P<scheme>{_TOKEN})(?: +(?:[A-Za-z0-9._~+/-]+=*{_END})?|{_END}))?"
    rf"(?:(?P<name>{_TOKEN})[ \t]*=[ \t]*(?P<value>{_TOKEN}|{_QUOTED}))?"
    r"[ \t]*(?:,[ \t,]*|\Z)"
)
_NOTHING = re.compile(r"[ \t,]*")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Challenge:
    """One challenge of a ``WWW-Authenticate`` header (RFC 9110 section 11.6.1)."""

    scheme: str
    """As it was sent, such as ``Bearer``."""
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Values by name, names in lower case. Empty when the scheme has a single unnamed value."""

    @property
    def realm(self) -> str | None:
        """What is protected (RFC 9110 section 11.5)."""
        return self.parameters.get("realm")

    @property
    def error(self) -> str | None:
        """The error code (RFC 6750 section 3.1); None when the request had no credentials."""
        return self.parameters.get("error")

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the resource demands (RFC 6750 section 3)."""
        return frozenset(self.parameters.get("scope", "").split())

    @property
    def resource_metadata(self) -> str | None:
        """The URL of the resource's metadata (RFC 9728 section 5.1)."""
        return self.parameters.get("resource_metadata")


def parse_challenges(value: str) -> tuple[Challenge, ...]:
    """Read a ``WWW-Authenticate`` header (RFC 9110 section 11.6.1).

    Args:
        value: The header's value; of several such headers, all values with commas between them.

    Raises:
        ValueError: It is malformed, or a challenge has two parameters of one name.
    """
    found: list[tuple[str, dict[str, str]]] = []
    place = _match(_NOTHING, value, 0).end()
    while place < len(value):
        element = _match(_ELEMENT, value, place)
        scheme, name, text = element.group("scheme", "name", "value")
        if scheme is not None:
            found.append((scheme, {}))
        elif not found:
            raise ValueError("a parameter comes before any scheme")
        if name is not None:
            _, parameters = found[-1]
            if name.lower() in parameters:
                raise ValueError(f"one challenge has {name} twice")
            parameters[name.lower()] = _unquoted(text)
        place = element.end()
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def _match(pattern: re.Pattern[str], value: str, place: int) -> re.Match[str]:
    match = pattern.match(value, place)
    if match is None:
        raise ValueError(f"it is malformed after {place} characters")
    return match


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def challenges(response: Any) -> tuple[Challenge, ...]:
    """All challenges in an answer.

    Args:
        response: What any client gave.

    Raises:
        ValueError: The header is malformed.
    """
    return parse_challenges(_header(response))


def assert_challenge(
    response: Any,
    status: int,
    *,
    error: str | None = None,
    scope: str | Iterable[str] | None = None,
    realm: str | None = None,
    resource_metadata: str | None = None,
    scheme: str = "Bearer",
) -> Challenge:
    """Assert that a request was refused in this way (RFC 6750 section 3).

    Example::

        assert_challenge(http.get("/items"), 401)
        assert_challenge(answer, 403, error="insufficient_scope", scope="items:read")

    Args:
        response: What any client gave.
        status: The status code.
        error: The error code; None if there must be none.
        scope: The scopes that must be named, in any order; None if there must be none.
        realm: The realm, when it matters.
        resource_metadata: The URL of the resource's metadata, when it matters.
        scheme: Of the challenge that is looked at; there must be one.

    Returns:
        The challenge, for a closer look.

    Raises:
        AssertionError: It was not refused, or in another way; says all that differs.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    header, code = _header(response), _status(response)
    differences = [] if code == status else [f"status {code}, not {status}"]
    try:
        found = [c for c in parse_challenges(header) if c.scheme.lower() == scheme.lower()]
    except ValueError as problem:
        raise AssertionError(_told([*differences, str(problem)], header)) from None
    if len(found) != 1:
        differences.append(f"{len(found) or 'no'} challenges of the scheme {scheme}, not one")
        raise AssertionError(_told(differences, header))
    (challenge,) = found
    wanted: list[tuple[str, object, object]] = [
        ("error", challenge.error, error),
        ("scope", challenge.scopes, _scopes(scope)),
    ]
    if realm is not None:
        wanted.append(("realm", challenge.realm, realm))
    if resource_metadata is not None:
        wanted.append(("resource_metadata", challenge.resource_metadata, resource_metadata))
    differences += [
        f"{name} {_shown(is_)}, not {_shown(should_be)}"
        for name, is_, should_be in wanted
        if is_ != should_be
    ]
    if differences:
        raise AssertionError(_told(differences, header))
    return challenge


def _scopes(scope: str | Iterable[str] | None) -> frozenset[str]:
    return frozenset(scope.split() if isinstance(scope, str) else scope or ())


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        value = " ".join(sorted(value)) or None
    return "absent" if value is None else repr(value)


def _told(differences: list[str], header: str) -> str:
    return "; ".join(differences) + (f" in {header}" if header else "; no WWW-Authenticate")


def _status(response: Any) -> int:
    # Werkzeug's `status` is a line of text, and aiohttp has no `status_code`.
    status: int = response.status_code if hasattr(response, "status_code") else response.status
    return status


def _header(response: Any) -> str:
    headers = response.headers
    pairs = headers.items() if hasattr(headers, "items") else headers
    return ", ".join(value for name, value in pairs if name.lower() == "www-authenticate")
