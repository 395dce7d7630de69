"""What an issuer publishes about itself, read by resource servers and clients (RFC 8414)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from bezant.config import check_issuer
from bezant.encoding import json_object
from bezant.errors import ConfigurationError
from bezant.fetch import Fetch, FetchError, check_url, same_origin
from bezant.http import Response

__all__ = ["IssuerMetadata"]

MAX_AGE: Final = 3600.0
"""Seconds after which the document is read again."""

_OAUTH: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"


class IssuerMetadata:
    """The metadata document of one issuer, read when it is needed and kept for an hour.

    Reading blocks: threads of the background do it.

    Args:
        issuer: Whose.
        fetch: Sends requests.
        elsewhere: URLs of endpoints that are not at the issuer's own origin, by their names in the
            document, ``jwks_uri`` for one. Others are not accepted: a forged document must not
            choose where keys come from or where a client's secret goes.
        timeout: Seconds for each request.
        timer: Seconds of a clock that only goes forward.

    Raises:
        ConfigurationError: The issuer is no proper URL.
    """

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        *,
        elsewhere: Mapping[str, str] | None = None,
        timeout: float = 3.0,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        check_issuer("issuer", issuer.removesuffix("/"))  # others end theirs as they like
        self.issuer: str = issuer
        self._fetch = fetch
        self._elsewhere = dict(elsewhere or {})
        for name, url in self._elsewhere.items():
            try:
                check_url(url)
            except FetchError as error:
                raise ConfigurationError(name, str(error)) from None
        self._timeout = timeout
        self._timer = timer
        self._lock = Lock()
        self._document: dict[str, Any] | None = None
        self._read_at = 0.0

    def endpoint(self, name: str) -> str | None:
        """The URL of an endpoint; None when the issuer has no such one.

        Args:
            name: Its name in the document, such as ``introspection_endpoint``.

        Raises:
            FetchError: The document cannot be read, or is not to be trusted.
        """
        if name in self._elsewhere:
            return self._elsewhere[name]
        url = self._read().get(name)
        if url is None:
            return None
        if not isinstance(url, str) or not same_origin(url, self.issuer):
            raise FetchError(
                f"the metadata of {self.issuer} puts {name} at another origin; "
                f"if that is right, give {name} yourself"
            )
        return url

    def says(self, name: str) -> Any:
        """A member of the document that is no URL; None when it is not there.

        Raises:
            FetchError: The document cannot be read, or is not to be trusted.
        """
        return self._read().get(name)

    def _read(self) -> dict[str, Any]:
        with self._lock:
            fresh = self._timer() - self._read_at < MAX_AGE
            if self._document is None or not fresh:
                try:
                    self._document = self._discover()
                except FetchError:
                    if self._document is None:
                        raise
                else:
                    self._read_at = self._timer()
            return self._document

    def _discover(self) -> dict[str, Any]:
        url = urlsplit(self.issuer)
        origin = f"{url.scheme}://{url.netloc}"
        # RFC 8414 section 3.1 puts the issuer's path behind, OpenID Connect Discovery in front;
        # both take a slash from its end first.
        path = url.path.removesuffix("/")
        for place in (origin + _OAUTH + path, origin + path + _OPENID):
            answer = self._fetch("GET", place, timeout=self._timeout)
            if 400 <= answer.status < 500:
                continue
            document = read_json(answer, place)
            # RFC 8414 section 3.3: or one issuer could speak for another.
            if document.get("issuer") != self.issuer:
                raise FetchError(f"{place} is the metadata of another issuer")
            return document
        raise FetchError(f"{self.issuer} publishes no metadata; check the issuer's URL")


def read_json(answer: Response, url: str) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        FetchError: Another status than 200, or no strict JSON object.
    """
    if answer.status != 200:
        raise FetchError(f"{url} answered {answer.status}")
    try:
        return json_object(answer.body.strip())
    except ValueError:
        raise FetchError(f"{url} answered with something else than a JSON object") from None
