"""A test kit for applications that use Bezant: fixed keys, a clock that stands still, tokens of any
kind.

`bezant.testing.challenges` reads refusals, `bezant.testing.issuer` is an issuer on loopback, and
`bezant.testing.stores` proves a store of your own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch

from bezant.guard import ResourceGuard
from bezant.keys import Key, KeySet
from bezant.principal import Principal
from bezant.runtime import Runtime
from bezant.signing import ACCESS_TOKEN_TYPE, encode
from bezant.verifier import TokenVerifier

__all__ = ["FrozenClock", "TokenFactory", "acting_as", "fixed_key"]

_JWKS: Mapping[str, Mapping[str, str]] = {
    "ES256": {
        "kty": "EC",
        "crv": "P-256",
        "x": "SMc8weQHXZa4dnQTELNJkGEOoIIpLlYc0xstUCQaC5o",
        "y": "R3MEhzqHcfbYDoi2aCuFIqBnCEtOp46zbyOYmUty5ic",
        "d": "V2aau9TwUZ0l6Fuh62U8R3GRwCXiAmdT3Eu6dAkO6R0",
    },
    "EdDSA": {
        "x": "QGyIxym7WjTyBuCPYQvBnu2tEL3PDz9sggslScqkj44",
        "d": "M8IIqiIWZ8fLnNrSn-r_GkQhMBsW5LRQ9r3nyAiID2s",
        "kty": "OKP",
        "crv": "Ed25519",
    },
    "RS256": {
        "kty": "RSA",
        "n": (
            "qRnmToSCkGe1i47e3zDSkJCel9HHGghjBzc0z0H2Hkv6TzQHZKs0BEaGCxYJ6i7b4KEvadCmgcQk_np2"
            "OznvR9hxjan4XrHYy0BvBYBijPTJG_CorM_qjLum3qYUIQRoDEarjiiB0JZ8yxfYxK9tTjMDyWzHlnbu"
            "sDFr8XV5GNqJ_gr2RwrK1wDDzrd2kwboUrtjyI1bJi_OGcCInYNxIFGZQ9hoCRBLwMGtWJghx_DBQDyx"
            "RKS2LlNIYWQJUxsL77T45theHxLVrjiHbNOXhY822rIwYpW2HTSoVaJvbuEUIGVNCMWyQhWl-Fw09TbG"
            "AxI2Ceux4YrfeVImhvXrgQ"
        ),
        "e": "AQAB",
        "d": (
            "IvBkApMkevvCqfwyFoF68D3BVvMUJU_YTjRc5_nkBWyDYnwIjwdEryF3LrE2CTn3WllTd5SR4rwJPL9G"
            "0IPu6bRR-ghFdiNe_NfqWIOnWSJ2rxwxbctj1gIrv1MnU48ahHbRmYTLFbMSQ9BAjJsGhaLKxIKCVpdq"
            "R-NePzybccPW8YUfRX0RrPzAX_udJPyhZMRl84XVg8LQgQqEPENi7Dwtl0QbnClO0pQ-_OD3bRxCg_FT"
            "PrJp67R-9en7HrlGB_5XWZEJdwjUOFfzT4pNLShOKEatzhg1DXXxhQVZLsHn1SfJwIoBokoXI2tKlD1O"
            "uGWFdviqOGTA8jIUPNKo8Q"
        ),
        "p": (
            "7xbAXHLDDCAHxcWP3sAhbLASkH2RAMZ_bhiA5rg7uJrpUMWlmq5WSUdf43i-1jy1tnnt0uwXdTorh1SK"
            "2yivay6IFvZRZxlTmcngf-75iedaJ_265NsS4h9R8bM_CBGjz-epgKVf3kLEBrShUVMi_C8koOxqgxYP"
            "C_60D8Pep60"
        ),
        "q": (
            "tQ_ciWhcZ9e6VR6mhcH2F_7ieUQlYJnzG0kz4weGdvuVgi8t0D3qhYePUkG0bGtOGx_Fqt2djrqZU3dE"
            "zxhlX_XR-myKT4SZAItQfhOqqY-o58FnoViMp_xkYw23syK5mNxPwUQADmjuMJT1g-xXJkzrQn0bhigC"
            "B7dI8vTyXaU"
        ),
        "dp": (
            "zqrx-HfTFgYR8ejGZhvaSKMiSPfhgbQTrs1LjyQtq3Nsvr86WSzdtVYXEv_qpjGwOV3IMAyYcmKoAcEY"
            "jjzq9VExnfepgd8onsUcZDnkRkpPakYvaWfdOM0t_imdEJJ-8VYk9Oj-p5c67zjwQOYGVctCdEAoCcvl"
            "kc7HQuFi87k"
        ),
        "dq": (
            "jthMrTtga6yOnMjpp202sgestO9GbcgHO-esv9gYBZbGhUajZj7y3xXrxIGBzmd533xZfkwJGamtfWQD"
            "LT-Z-vL9DgzDsahy7TL79fueENf98ZlsIKazkXRV3q_b1b_3nNlzMo5rXPL7t-hNKh8zQkw87t-070px"
            "D5VSQBtveuE"
        ),
        "qi": (
            "V_Xun98GCB8EVvHERBstCGqbH79c1gaVPWkpdII6guL0yZedxQxnIBQPvvVyVDJRRoxt-AUALHNWtsun"
            "LAZN8GVu0bNkGdQS3mrRyQ35snjQsZ862YDhT23FVU7jFb1lwcXLIObBzr0KZFM7-yKlOmCofyb9ans8"
            "rYlZrEkLklk"
        ),
    },
    "HS256": {
        "kty": "oct",
        "k": "0bXWKKzY0grKFHFMR0CKwkwfICPKlR--7j768QTb0qQ",
    },
}


@cache
def fixed_key(algorithm: str = "ES256") -> Key:
    """The same key in every run. It is published with this package: never trust it outside
    tests.
    """
    return Key.from_jwk({**_JWKS["RS256" if algorithm == "PS256" else algorithm], "alg": algorithm})


class FrozenClock:
    """A clock that moves only when told to.

    Args:
        now: Seconds since the epoch.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now: float = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class TokenFactory:
    """Mints access tokens that a `TokenVerifier` takes, or, with the arguments to `mint`, refuses.

    Args:
        issuer: ``iss``.
        audience: ``aud``.
        key: What signs; `fixed_key` by default.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        issuer: str = "https://id.example.com",
        audience: str = "https://api.example.com",
        key: Key | None = None,
        clock: FrozenClock | None = None,
    ) -> None:
        self.issuer: str = issuer
        self.audience: str = audience
        self.key: Key = key or fixed_key()
        self.clock: FrozenClock = clock or FrozenClock()
        self._numbers = count(1)

    def claims(
        self,
        *,
        subject: str = "alice",
        client_id: str = "web",
        scopes: Iterable[str] = (),
        roles: Iterable[str] = (),
        permissions: Iterable[str] = (),
        expires_in: int = 600,
        **claims: Any,
    ) -> dict[str, Any]:
        """The claims of a good token; ``claims`` are added, and those given as None left out."""
        now = int(self.clock())
        good: dict[str, Any] = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.audience,
            "exp": now + expires_in,
            "iat": now,
            "jti": f"token-{next(self._numbers)}",
            "client_id": client_id,
            "scope": " ".join(scopes),
            "auth_time": now,
            "roles": list(roles),
            "permissions": list(permissions),
        }
        return {name: value for name, value in {**good, **claims}.items() if value is not None}

    def mint(self, *, typ: str = ACCESS_TOKEN_TYPE, key: Key | None = None, **claims: Any) -> str:
        """A signed token; see `claims` for the arguments."""
        return encode(key or self.key, typ, self.claims(**claims))

    def verifier(self, **options: Any) -> TokenVerifier:
        """A verifier that takes this factory's tokens."""
        settings = {
            "issuer": self.issuer,
            "audience": self.audience,
            "keys": KeySet([self.key]),
            "clock": self.clock,
            **options,
        }
        return TokenVerifier(**settings)


@contextmanager
def acting_as(guard: ResourceGuard, principal: Principal | None) -> Iterator[None]:
    """Let all requests that a guard looks at come from ``principal``, or from nobody, whatever they
    carry: what ``as_principal`` of every extension does.
    """

    def authenticate_now(authorization: Sequence[str]) -> Principal | None:
        return principal

    async def authenticate(authorization: Sequence[str], runtime: Runtime) -> Principal | None:
        return principal

    with (
        patch.object(guard, "authenticate_now", authenticate_now),
        patch.object(guard, "authenticate_if_present", authenticate),
    ):
        yield
