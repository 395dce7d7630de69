"""An issuer somewhere else: its keys and its revocations, kept up to date beside the requests.

Two threads follow it, one for the keys, one for the revocation feed. A request never waits for the
network, but for the very first token and for one that names an unknown key; and these wait for the
round of the thread, all for the same one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import Future
from random import SystemRandom
from threading import Lock
from time import monotonic
from typing import Final, Literal, TypeAlias

from bezant.background import Background
from bezant.errors import ConfigurationError, InvalidToken, StoreUnavailable
from bezant.fetch import Fetch, FetchError
from bezant.http import Response
from bezant.issuer_metadata import IssuerMetadata, read_json
from bezant.remote_keys import RemoteKeys
from bezant.revocation import RevocationView
from bezant.revocation_feed import read_feed
from bezant.runtime import Runtime
from bezant.verification import Source

__all__ = ["RemoteIssuer", "WhenStale"]

logger: logging.Logger = logging.getLogger(__name__)

WhenStale: TypeAlias = Literal["refuse", "introspect"] | float
"""What happens while revocations cannot be read: ``"refuse"`` answers 503, ``"introspect"`` asks
the issuer about each token, a number accepts tokens for so many seconds and then refuses them."""

NEVER: Final = float("-inf")
SHORTEST, LONGEST = 60.0, 3600.0  # seconds between two looks at the keys
FIRST_RETRY, LAST_RETRY = 0.5, 60.0  # seconds, doubled each time
_random = SystemRandom()
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})")


class RemoteIssuer(Source):
    """What a resource server knows of an issuer.

    Args:
        metadata: Where its endpoints are.
        fetch: Sends requests.
        keys_max_stale: Seconds that keys are trusted when they cannot be read again.
        cool_down: Seconds between two looks for the keys of tokens that name unknown ones.
        revocation_bound: Seconds within which a revocation is known here; None for an issuer that
            publishes none, whose tokens live until they expire.
        when_stale: What happens when ``revocation_bound`` cannot be kept.
        leeway: Seconds that clocks may differ.
        timeout: Seconds for each request.
        clock: Seconds since the epoch.
        timer: Seconds of a clock that only goes forward.

    Raises:
        ConfigurationError: A number is out of range.
    """

    def __init__(
        self,
        metadata: IssuerMetadata,
        fetch: Fetch,
        *,
        keys_max_stale: float,
        cool_down: float,
        revocation_bound: float | None,
        when_stale: WhenStale,
        leeway: float,
        timeout: float,
        clock: Callable[[], float],
        timer: Callable[[], float] = monotonic,
    ) -> None:
        for name, value in (("keys_max_stale", keys_max_stale), ("timeout", timeout)):
            if not 0 < value < float("inf"):
                raise ConfigurationError(name, "must be more than 0 seconds")
        if not cool_down >= 1:
            raise ConfigurationError("cool_down", "must be 1 second or more")
        if revocation_bound is not None and not revocation_bound >= 1:
            raise ConfigurationError("revocation_bound", "must be 1 second or more, or None")
        if when_stale not in {"refuse", "introspect"} and not (
            isinstance(when_stale, (int, float)) and 0 <= when_stale < float("inf")
        ):
            raise ConfigurationError("when_stale", "say 'refuse', 'introspect', or seconds")
        self._metadata = metadata
        self._fetch = fetch
        self._keys_max_stale = keys_max_stale
        self._cool_down = cool_down
        self._bound = revocation_bound
        self._grace = 0.0 if isinstance(when_stale, str) else float(when_stale)
        self._leeway = leeway
        self._timeout = timeout
        self._clock = clock
        self._timer = timer

        self.keys: RemoteKeys = RemoteKeys(self._look_again)
        self.view: RevocationView = RevocationView()
        self._keys_thread = Background("bezant-keys", self._read_keys, self._after_fork)
        self._feed_thread = Background("bezant-revocations", self._read_feed)
        self._looking = Lock()
        self._keys_read = self._feed_read = self._looked = NEVER
        self._keys_failures = self._feed_failures = 0
        self._etag, self._etag_until = "", 0.0
        self._warned = False
        self._good_until = NEVER

    # For the verifier

    @property
    def due(self) -> bool:
        """Whether something is missing or too old."""
        return self._timer() >= self._good_until

    async def refresh(self, runtime: Runtime) -> None:
        """Wait for what was never read; refuse to go on with what is too old.

        Raises:
            StoreUnavailable: Keys or revocations are not known, or no longer to be trusted.
        """
        self.start()
        if self._keys_read == NEVER:
            await runtime.wait(self._first(self._keys_thread, self._keys_are_new))
        if self._timer() - self._keys_read > self._keys_max_stale:
            raise StoreUnavailable(f"the keys of {self._metadata.issuer} cannot be read")
        if self._bound is None:
            return
        if self._feed_read == NEVER:
            await runtime.wait(self._first(self._feed_thread, self._feed_is_new))
        age = self._timer() - self._feed_read
        if age <= self._bound:
            return
        if age > self._bound + self._grace:
            raise StoreUnavailable(f"the revocations of {self._metadata.issuer} cannot be read")
        if not self._warned:
            self._warned = True
            logger.warning(
                "the revocations of %s are %.0f s old; tokens are accepted for %.0f s more",
                self._metadata.issuer,
                age,
                self._bound + self._grace - age,
            )

    def start(self) -> None:
        """Begin to follow the issuer."""
        self._keys_thread.start()
        if self._bound is not None:
            self._feed_thread.start()

    def close(self) -> None:
        """No longer follow it. A round that waits for the network ends by itself."""
        self._good_until = NEVER
        self._keys_thread.close(timeout=0)
        self._feed_thread.close(timeout=0)

    @staticmethod
    def _first(thread: Background, is_new: Callable[[], bool]) -> Future[None]:
        """Done when something was read for the first time, or the first try has failed: it is
        tried again, and nobody waits for that.
        """
        # Asked before anything else: a round that ends after this has left what it found by then,
        # and none begins in its place.
        going = thread.going_on()
        if is_new():
            return going or thread.round()
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _keys_are_new(self) -> bool:
        return self._keys_read == NEVER and self._keys_failures == 0

    def _feed_is_new(self) -> bool:
        return self._feed_read == NEVER and self._feed_failures == 0

    async def _look_again(self, runtime: Runtime) -> bool:
        with self._looking:
            if self._timer() - self._looked >= self._cool_down:
                self._looked = self._timer()
                look: Future[None] | None = self._keys_thread.round()
            else:  # nobody waits for an issuer that is away
                look = None if self._keys_failures > 0 else self._keys_thread.going_on()
        if look is None:
            return self._keys_read > self._looked  # perhaps they have come meanwhile
        await runtime.wait(look)
        return True

    # On the threads

    def _read_keys(self) -> float:
        issuer = self._metadata.issuer
        try:
            url = self._metadata.endpoint("jwks_uri")
            if url is None:
                raise FetchError(f"{issuer} publishes no keys")
            answer = self._fetch("GET", url, timeout=self._timeout)
            self.keys.take(read_json(answer, url))
        except (FetchError, ConfigurationError) as error:
            logger.warning("the keys of %s cannot be read: %s", issuer, error)
            self._keys_failures += 1  # whoever sees it does not wait, and finds the reason told
            return _retry_after(self._keys_failures)
        self._keys_failures = 0
        self._keys_read = self._timer()
        self._judge()
        # Well before others may forget them, and not all processes at the same moment.
        return min(max(_max_age(answer), SHORTEST), LONGEST) * _random.uniform(0.5, 0.8)

    def _read_feed(self) -> float:
        assert self._bound is not None
        issuer = self._metadata.issuer
        pace = self._bound * 0.6
        begun = self._timer()
        try:
            self._first(self._keys_thread, lambda: len(self.keys) == 0).result(self._timeout * 4)
            url = self._metadata.endpoint("revocation_feed_endpoint")
            if url is None:
                raise FetchError(
                    f"{issuer} publishes no revocation feed; give revocation_bound=None to accept "
                    "its tokens until they expire, or ask it with an IntrospectionVerifier"
                )
            known = self._clock() < self._etag_until
            answer = self._fetch(
                "GET",
                f"{url}?wait={int(pace)}",
                headers=(("if-none-match", self._etag),) if known else (),
                timeout=pace + self._timeout,
            )
            if answer.status != 304 or not known:
                self._take(answer, url)
        except (FetchError, InvalidToken, TimeoutError) as error:
            reason = error.detail if isinstance(error, InvalidToken) else error
            logger.warning("the revocations of %s cannot be read: %s", issuer, reason)
            self._feed_failures += 1
            return min(_retry_after(self._feed_failures), self._bound)
        self._feed_failures = 0
        self._feed_read = self._timer()
        self._warned = False
        self._judge()
        if answer.status != 304:
            return 0.2  # there was news, and more may come
        return max(0.2, begun + pace - self._timer())

    def _take(self, answer: Response, url: str) -> None:
        if answer.status != 200:
            raise FetchError(f"{url} answered {answer.status}")
        try:
            feed = answer.body.decode("ascii")
        except UnicodeDecodeError:
            raise FetchError(f"{url} answered with something else than a feed") from None
        self._etag_until = read_feed(
            feed, self.view, self._metadata.issuer, self.keys, self._clock(), self._leeway
        )
        self._etag = answer.header("etag") or ""

    def _judge(self) -> None:
        """Say until when no token needs to look at this more closely."""
        ends = [self._keys_read + self._keys_max_stale]
        if self._bound is not None:
            ends.append(self._feed_read + self._bound)
        self._good_until = min(ends)

    def _after_fork(self) -> None:
        self._looking = Lock()  # a thread of the parent may have held it
        self._good_until = NEVER  # so that the next token starts the threads


def _retry_after(failures: int) -> float:
    return min(FIRST_RETRY * 2.0 ** min(failures - 1, 10), LAST_RETRY) * _random.uniform(0.75, 1.0)


def _max_age(answer: Response) -> float:
    """How long an answer may be kept (RFC 9111 section 5.2.2.1)."""
    found = _MAX_AGE.search((answer.header("cache-control") or "").lower())
    return float(found[1]) if found else 300.0
