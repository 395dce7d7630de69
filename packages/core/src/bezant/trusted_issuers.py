"""Several issuers in front of one application."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bezant.errors import ConfigurationError, InvalidToken
from bezant.principal import Principal
from bezant.runtime import Runtime
from bezant.signing import claimed_issuer
from bezant.verification import Verifier

__all__ = ["TrustedIssuers"]


class TrustedIssuers(Verifier):
    """Sends each token to the verifier of the issuer that it names; other issuers are refused.

    What an unverified token says decides only who verifies it: the verifier takes its own issuer's
    tokens alone. A subject is unique within its issuer: tell users apart by ``iss`` and ``sub``
    (`Principal.claims`).

    Args:
        verifiers: One for each issuer.

    Raises:
        ConfigurationError: There is none, or two for the same issuer.
    """

    def __init__(self, verifiers: Iterable[Verifier]) -> None:
        self._verifiers: dict[str, Verifier] = {}
        for verifier in verifiers:
            for issuer in verifier.issuers:
                if issuer in self._verifiers:
                    raise ConfigurationError("verifiers", f"there are two for {issuer}")
                self._verifiers[issuer] = verifier
        if not self._verifiers:
            raise ConfigurationError("verifiers", "name the issuers whose tokens are taken")
        self.issuers: tuple[str, ...] = tuple(self._verifiers)
        self.clock: Callable[[], float] = next(iter(self._verifiers.values())).clock

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Verify with the verifier of the token's issuer."""
        verifier = self._verifiers.get(claimed_issuer(token))
        if verifier is None:
            raise InvalidToken("the access token is not valid here", detail="wrong iss")
        return await verifier.averify(token, runtime)

    def check(self, runtime: Runtime) -> None:
        """Refuse a verifier that a framework cannot call."""
        for verifier in self._verifiers.values():
            verifier.check(runtime)

    def start(self) -> None:
        """Begin what the verifiers run in the background."""
        for verifier in self._verifiers.values():
            verifier.start()

    def close(self) -> None:
        """End what the verifiers run in the background."""
        for verifier in self._verifiers.values():
            verifier.close()
