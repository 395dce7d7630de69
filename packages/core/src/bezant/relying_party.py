"""Signing people in at another issuer: the client's side of the code flow and of OpenID Connect.

A sign-in that begins in a browser can only end in that browser, and only once. Whatever ties the
two ends together, PKCE's verifier and the nonce, is derived from a secret of the browser and the
state: nothing that is stored or sent before the end is enough to go on with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from secrets import token_urlsafe
from threading import BoundedSemaphore
from time import monotonic
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote_plus, urlencode

from bezant.breaker import Breaker
from bezant.clients import ASSERTION_TYPE
from bezant.codes import Codes
from bezant.encoding import b64_basic, b64url_encode, json_object
from bezant.errors import (
    ConfigurationError,
    InvalidRequest,
    InvalidToken,
    StoreUnavailable,
    UnknownKey,
)
from bezant.fetch import Fetch, FetchError
from bezant.http import FORM_TYPE, Form, Response, parse_form, printable
from bezant.id_tokens import ID_TOKEN_TYPE, half_hash
from bezant.issuer_metadata import IssuerMetadata, read_json
from bezant.keys import Key
from bezant.pkce import METHOD, challenge_of
from bezant.redirects import problem_with
from bezant.remote_keys import RemoteKeys
from bezant.runtime import Runtime
from bezant.signing import Profile, check_claims, encode, signed_claims
from bezant.stores import Taking
from bezant.upstream import (
    Identity,
    ProviderUnavailable,
    ResponseRefused,
    SignInDenied,
    SignInFailed,
    UpstreamProvider,
)

__all__ = ["RelyingParty", "new_browser_secret"]

TTL: Final = 600.0
"""Seconds that a sign-in may take."""

KEYS_MAX_AGE, KEYS_COOL_DOWN = 3600.0, 10.0
"""Seconds that a provider's keys are kept, and between two looks for unknown ones."""

ASSERTION_TTL: Final = 60
"""Seconds that an assertion of ours lives: it is read at once."""

MAX_WAITING: Final = 16
"""Requests that may wait for one provider: a slow one must not keep all threads."""

LONGEST_SUBJECT: Final = 255
"""Characters (OpenID Connect Core section 2)."""

TYPES: Final = frozenset({ID_TOKEN_TYPE.lower(), ""})
"""``typ`` of ID tokens. Many issuers leave it out; those of other kinds of token have their own."""

MIN_SECRET: Final = 32
"""Characters of a browser's secret."""

P = ParamSpec("P")
T = TypeVar("T")


def new_browser_secret() -> str:
    """A secret for a browser: 256 random bits, for a cookie that no script can read."""
    return token_urlsafe(32)


class RelyingParty:
    """This application as a client of one provider.

    Requests to the provider block, and are made where `Runtime.call` puts them.

    Args:
        provider: How it is asked.
        codes: Remembers which sign-ins have begun, and that they end once.
        fetch: Sends requests.
        redirect_uri: Where the provider sends browsers back to; one for each provider, so that an
            answer is never taken for another's (RFC 9700 section 4.4.2).
        leeway: Seconds that clocks may differ.
        timeout: Seconds for each request.
        clock: Seconds since the epoch.
        timer: Seconds of a clock that only goes forward.

    Raises:
        ConfigurationError: The redirect URI cannot be registered anywhere.
    """

    def __init__(
        self,
        provider: UpstreamProvider,
        codes: Codes,
        fetch: Fetch,
        *,
        redirect_uri: str,
        leeway: float = 10.0,
        timeout: float = 3.0,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        if problem := problem_with(redirect_uri):
            raise ConfigurationError("redirect_uri", f"{redirect_uri!r} {problem}")
        self.provider: UpstreamProvider = provider
        self.redirect_uri: str = redirect_uri
        self._codes = codes
        self._fetch = fetch
        self._timeout = timeout
        self._clock = clock
        self._timer = timer
        self._breaker = Breaker(timer)
        self._slots = BoundedSemaphore(MAX_WAITING)
        self._metadata = IssuerMetadata(
            provider.issuer, self._send, elsewhere=provider.urls, timeout=timeout, timer=timer
        )
        self._profile = Profile(
            typ=ID_TOKEN_TYPE,
            issuer=provider.issuer,
            audience=frozenset({provider.client_id}),
            required=("sub", "iat", "nonce"),
            leeway=leeway,
        )
        self._keys = RemoteKeys(self._look_again)
        self._keys_read = self._keys_sought = float("-inf")

    # What the application calls

    async def begin(
        self,
        browser: str,
        runtime: Runtime,
        *,
        note: Mapping[str, Any] | None = None,
        max_age: int | None = None,
        select_account: bool = False,
        login_hint: str | None = None,
    ) -> str:
        """Begin a sign-in. Returns where to send the browser (303).

        Args:
            browser: A secret of the browser; see `new_browser_secret`. It may be the same for
                several sign-ins, in several tabs.
            runtime: How to call stores and wait for the provider.
            note: What `finish` is to give back, as JSON has it: where the person wanted to go.
            max_age: Seconds since the person last proved to the provider who they are, at most; 0
                makes them do it again. Providers that do not say when it was are refused then.
            select_account: Whether the provider is to ask whom to be.
            login_hint: Whom the provider may begin with.

        Raises:
            ConfigurationError: The browser's secret is none.
            ProviderUnavailable: Its metadata cannot be read.
            StoreUnavailable: The sign-in cannot be remembered.
        """
        if len(browser) < MIN_SECRET:
            raise ConfigurationError("browser", f"a secret has {MIN_SECRET} characters or more")
        url = await self._endpoint("authorization_endpoint", runtime)
        now = self._clock()
        kept = {
            "provider": self.provider.issuer,
            "browser": _fingerprint(browser),
            "begun_at": now,
            "max_age": max_age,
            "note": dict(note or {}),
        }
        state = await self._codes.issue("state", kept, expires_at=now + TTL, runtime=runtime)
        parameters = {
            **self.provider.parameters,
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": state,
            "code_challenge": challenge_of(_derived(browser, "verifier", state)),
            "code_challenge_method": METHOD,
        }
        if self.provider.openid:
            parameters["nonce"] = _derived(browser, "nonce", state)
            if max_age is not None:
                parameters["max_age"] = str(max_age)
            if max_age == 0 or select_account:
                parameters["prompt"] = "login" if max_age == 0 else "select_account"
            if login_hint is not None:
                parameters["login_hint"] = login_hint
        return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"

    async def finish(
        self, query: str, browser: str, runtime: Runtime
    ) -> tuple[Identity, dict[str, Any]]:
        """Finish a sign-in.

        Args:
            query: The query string that the browser came back with.
            browser: The secret of the browser that it came from; empty when it has none.
            runtime: How to call stores and wait for the provider.

        Returns:
            Who it is, and the note that `begin` was given.

        Raises:
            ResponseRefused: The answer belongs to another browser or provider, was used, is too
                late or forged, or names nobody.
            SignInDenied: The provider says no.
            ProviderUnavailable: It does not answer.
            StoreUnavailable: Nobody can tell whether the answer was used before.
        """
        try:
            answer = Form(parse_form(query.encode("utf-8", "surrogatepass")))
        except InvalidRequest as error:
            raise ResponseRefused(detail=error.description) from None
        state = answer.get("state", "")
        kept = await self._take(state, browser, runtime)
        note: dict[str, Any] = kept["note"]
        try:
            await self._check_issuer(answer.get("iss"), runtime)
            if "error" in answer:
                raise SignInDenied(printable(answer["error"]))
            code = answer.get("code")
            if code is None:
                raise ResponseRefused(detail="the answer has no code")
            tokens = await self._redeem(code, _derived(browser, "verifier", state), runtime)
            access_token = _text(tokens, "access_token")
            claims: dict[str, Any] = {}
            if self.provider.openid:
                hashed = {"at_hash": access_token, "c_hash": code, "s_hash": state}
                nonce = _derived(browser, "nonce", state)
                claims = await self._id_token(_text(tokens, "id_token"), nonce, hashed, runtime)
                self._check_age(claims, kept)
            elif kept["max_age"] is not None:
                raise _cannot_say_when()
            claims = await self._with_userinfo(claims, access_token, runtime)
        except SignInFailed as error:
            error.note = note
            raise
        return Identity(self.provider.issuer, self._subject(claims), claims, tokens), note

    async def check(self, runtime: Runtime) -> dict[str, str]:
        """Ask the provider for everything but a sign-in. Returns its endpoints, by their names in
        metadata.

        Raises:
            ProviderUnavailable: Something is missing or cannot be read; ``detail`` says what.
        """
        names = ["authorization_endpoint", "token_endpoint"]
        if self.provider.openid:
            names.append("jwks_uri")
            await self._read_keys(runtime)
        found = {name: await self._endpoint(name, runtime) for name in names}
        userinfo = await self._userinfo_url(runtime)
        return found if userinfo is None else {**found, "userinfo_endpoint": userinfo}

    # The answer in the browser

    async def _take(self, state: str, browser: str, runtime: Runtime) -> dict[str, Any]:
        """What was kept of the sign-in that an answer belongs to: once, and in its own browser."""
        taking, kept = await self._codes.take("state", state, self._clock(), runtime)
        if taking is Taking.SPENT:
            raise ResponseRefused(detail="the state was used before")
        if taking is not Taking.TAKEN:
            raise ResponseRefused(
                "the sign-in took too long, or did not begin here; begin again",
                detail="the state is missing, unknown or too old",
            )
        if kept["provider"] != self.provider.issuer:
            raise ResponseRefused(detail="the state is of a sign-in at another provider")
        if not compare_digest(kept["browser"], _fingerprint(browser)):
            raise ResponseRefused(
                "this sign-in did not begin in this browser, or the browser keeps no cookies; "
                "allow cookies for this site and begin again",
                detail="the state is another browser's",
            )
        return kept

    async def _check_issuer(self, issuer: str | None, runtime: Runtime) -> None:
        """RFC 9207 section 2.4: before anything else in the answer is looked at, errors too."""
        if issuer is not None:
            if issuer != self.provider.issuer:
                raise ResponseRefused(detail="iss in the answer is another issuer")
            return
        if self.provider.openid and await self._ask(
            runtime, self._metadata.says, "authorization_response_iss_parameter_supported"
        ):
            raise ResponseRefused(detail="iss is missing from the answer")

    # Tokens

    async def _redeem(self, code: str, verifier: str, runtime: Runtime) -> dict[str, Any]:
        """The token request (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
        url = await self._endpoint("token_endpoint", runtime)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        headers = [("content-type", FORM_TYPE), ("accept", "application/json")]
        self._authenticate(form, headers)
        body = urlencode(form).encode()
        answer = await self._request(runtime, "POST", url, tuple(headers), body)
        error = _error_in(answer)
        if error is not None or 400 <= answer.status < 500:
            raise ResponseRefused(
                detail=f"the token endpoint answered {answer.status} {error or ''}".rstrip()
            )
        tokens = _document(answer, url)
        if _text(tokens, "token_type").lower() != "bearer":
            raise ResponseRefused(detail="the access token is no bearer token")
        return tokens

    def _authenticate(self, form: dict[str, str], headers: list[tuple[str, str]]) -> None:
        """Say who is asking, in one way (RFC 6749 section 2.3, RFC 7523 section 2.2)."""
        provider = self.provider
        if provider.method == "client_secret_basic":
            assert provider.client_secret is not None
            # Section 2.3.1: both parts are form-encoded first.
            pair = quote_plus(provider.client_id), quote_plus(provider.client_secret)
            headers.append(("authorization", b64_basic(*pair)))
            return
        form["client_id"] = provider.client_id
        if provider.method == "client_secret_post":
            assert provider.client_secret is not None
            form["client_secret"] = provider.client_secret
        elif provider.method == "private_key_jwt":
            assert provider.client_key is not None
            form["client_assertion_type"] = ASSERTION_TYPE
            form["client_assertion"] = self._assertion(provider.client_key)

    def _assertion(self, key: Key) -> str:
        now = int(self._clock())
        claims = {
            "iss": self.provider.client_id,
            "sub": self.provider.client_id,
            # The issuer, whatever its metadata call the token endpoint: an assertion that another
            # party could pass on must name this provider.
            "aud": self.provider.issuer,
            "jti": token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_TTL,
        }
        return encode(key, "JWT", claims)

    async def _id_token(
        self, token: str, nonce: str, hashed: Mapping[str, str], runtime: Runtime
    ) -> dict[str, Any]:
        """OpenID Connect Core section 3.1.3.7."""
        if self._timer() - self._keys_read > KEYS_MAX_AGE:
            await self._read_keys(runtime)
        try:
            claims, key = await self._signed(token, runtime)
            check_claims(claims, self._profile, self._clock())
        except InvalidToken as error:
            raise ResponseRefused(detail=f"ID token: {error.detail}") from None
        # Audiences beside this client are believed only when it is the one that asked.
        audience, party = claims["aud"], claims.get("azp")
        several = type(audience) is list and len(audience) > 1
        if (party is not None or several) and party != self.provider.client_id:
            raise ResponseRefused(detail="ID token: azp is another client")
        if type(claims["nonce"]) is not str or not compare_digest(
            claims["nonce"].encode("utf-8", "surrogatepass"), nonce.encode()
        ):
            raise ResponseRefused(detail="ID token: nonce is another sign-in's")
        for name, text in hashed.items():
            if name in claims and claims[name] != half_hash(text, key.algorithm):
                raise ResponseRefused(detail=f"ID token: {name} is of something else")
        return claims

    async def _signed(self, token: str, runtime: Runtime) -> tuple[dict[str, Any], Key]:
        size = self._profile.max_size
        try:
            return signed_claims(token, TYPES, self._keys, size)
        except UnknownKey:
            if not await self._keys.look_again(runtime):
                raise
            return signed_claims(token, TYPES, self._keys, size)

    def _check_age(self, claims: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        """``max_age`` (section 3.1.2.1): when it was asked for, ``auth_time`` has to be there."""
        if kept["max_age"] is None:
            return
        told = Identity("", "", claims).auth_time
        if told is None:
            raise _cannot_say_when()
        if told < kept["begun_at"] - kept["max_age"] - self._profile.leeway - 1:  # whole seconds
            raise ResponseRefused(
                "the provider did not ask again who you are; sign out there and begin again",
                detail="ID token: auth_time is too old",
            )

    # UserInfo

    async def _with_userinfo(
        self, claims: dict[str, Any], access_token: str, runtime: Runtime
    ) -> dict[str, Any]:
        """Add what the UserInfo endpoint says of the same subject (section 5.3)."""
        url = await self._userinfo_url(runtime)
        if url is None:
            return claims
        headers = (("authorization", f"Bearer {access_token}"), ("accept", "application/json"))
        answer = await self._request(runtime, "GET", url, headers)
        if 400 <= answer.status < 500:
            raise ResponseRefused(detail=f"the UserInfo endpoint answered {answer.status}")
        said = _document(answer, url)
        if not self.provider.openid:
            return said
        if said.get("sub") != claims["sub"]:  # section 5.3.2
            raise ResponseRefused(detail="UserInfo is about somebody else")
        if "email" in claims:
            # Whether an address was verified is told beside that address.
            said.pop("email_verified", None)
        elif "email" in said:
            claims.pop("email_verified", None)
        return {**said, **claims}

    async def _userinfo_url(self, runtime: Runtime) -> str | None:
        if not self.provider.userinfo and self.provider.openid:
            return None
        return await self._ask(runtime, self._metadata.endpoint, "userinfo_endpoint")

    def _subject(self, claims: Mapping[str, Any]) -> str:
        subject = claims.get(self.provider.subject_claim)
        if type(subject) is int and not self.provider.openid:
            subject = str(subject)
        if (
            type(subject) is not str
            or not 1 <= len(subject) <= LONGEST_SUBJECT
            or not subject.isprintable()
        ):
            raise ResponseRefused(detail=f"{self.provider.subject_claim} names no subject")
        return subject

    # Keys

    async def _look_again(self, runtime: Runtime) -> bool:
        if self._timer() - self._keys_sought < KEYS_COOL_DOWN:
            return False
        await self._read_keys(runtime)
        return True

    async def _read_keys(self, runtime: Runtime) -> None:
        self._keys_sought = self._timer()
        url = await self._endpoint("jwks_uri", runtime)
        document = _document(await self._request(runtime, "GET", url), url)
        try:
            self._keys.take(document)
        except ConfigurationError as error:
            raise ProviderUnavailable(detail=f"{url}: {error}") from None
        self._keys_read = self._timer()

    # Requests

    async def _endpoint(self, name: str, runtime: Runtime) -> str:
        url = await self._ask(runtime, self._metadata.endpoint, name)
        if url is None:
            raise ProviderUnavailable(detail=f"{self.provider.issuer} has no {name}")
        return url

    async def _request(
        self,
        runtime: Runtime,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
    ) -> Response:
        return await self._ask(
            runtime, self._send, method, url, headers=headers, body=body, timeout=self._timeout
        )

    async def _ask(
        self, runtime: Runtime, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Wait for the provider, unless too many do."""
        if not self._slots.acquire(blocking=False):
            raise ProviderUnavailable(detail=f"{MAX_WAITING} sign-ins wait for it already")
        try:
            return await runtime.call(ask, *args, **kwargs)
        except FetchError as error:
            raise ProviderUnavailable(detail=str(error)) from None
        finally:
            self._slots.release()

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        """Ask, unless the last times nobody answered (`bezant.fetch.Fetch`)."""
        try:
            self._breaker.check()
        except StoreUnavailable as error:
            raise FetchError(f"{self.provider.issuer}: {error}") from None
        try:
            answer = self._fetch(method, url, headers=headers, body=body, timeout=timeout)
        except FetchError:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return answer


def _fingerprint(browser: str) -> str:
    return b64url_encode(sha256(browser.encode("utf-8", "surrogatepass")).digest()).decode()


def _derived(browser: str, purpose: str, state: str) -> str:
    """43 characters that only this browser's secret makes of this state."""
    secret, text = browser.encode("utf-8", "surrogatepass"), f"{purpose} {state}".encode()
    return b64url_encode(hmac_digest(secret, text, "sha256")).decode()


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if type(value) is not str or not value.isascii() or not value.isprintable() or not value:
        raise ResponseRefused(detail=f"the token endpoint's answer has no {name}")
    return value


def _document(answer: Response, url: str) -> dict[str, Any]:
    try:
        return read_json(answer, url)
    except FetchError as error:
        raise ProviderUnavailable(detail=str(error)) from None


def _error_in(answer: Response) -> str | None:
    """``error`` of RFC 6749 section 5.2; some providers send it with status 200."""
    try:
        error = json_object(answer.body.strip()).get("error")
    except ValueError:
        return None
    return None if error is None else printable(str(error))


def _cannot_say_when() -> ResponseRefused:
    return ResponseRefused(
        "this needs a fresh sign-in, and the provider does not say when yours was; "
        "choose another way",
        detail="auth_time is missing",
    )
