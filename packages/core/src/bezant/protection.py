"""From what an application knows good tokens by, to the guard in front of its routes: how every
adapter is set up.
"""

from __future__ import annotations

from collections.abc import Iterable

from bezant.endpoints import Endpoint
from bezant.errors import ConfigurationError
from bezant.guard import ResourceGuard
from bezant.legacy import LegacyVerifier
from bezant.logout_receiver import LogoutReceiver
from bezant.resource_metadata import ResourceMetadata
from bezant.runtime import Runtime
from bezant.server import AuthorizationServer
from bezant.verification import Verifier

__all__ = ["guard_for"]


def guard_for(
    source: AuthorizationServer | Verifier,
    runtime: Runtime,
    *,
    audience: str | Iterable[str] | None = None,
    realm: str = "api",
    resource: str | None = None,
    scopes: Iterable[str] | None = None,
    resource_metadata: str | None = None,
    logout_receiver: LogoutReceiver | None = None,
) -> ResourceGuard:
    """Make the guard of an application.

    Args:
        source: What tells good tokens: a server in this process, or a verifier.
        runtime: How the framework calls stores; a server whose stores it cannot call is refused.
        audience: The application's name in ``aud``; only for a server, in place of its default
            audience.
        realm: What the challenge calls the protected space.
        resource: The application's own URL: it then serves `ResourceMetadata`, named in every
            challenge. The guard's ``endpoints`` hold what to serve.
        scopes: Scopes named in that document; by default those of the server.
        resource_metadata: URL of such a document that is served elsewhere.
        logout_receiver: Told of logouts at an issuer; the guard's ``endpoints`` hold it too.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    if isinstance(source, AuthorizationServer):
        source.check(runtime)
        verifier: Verifier = source.verifier(audience)
        if source.legacy is not None:
            verifier = LegacyVerifier(verifier, source.legacy)
        events = source.events
        if scopes is None:
            scopes = source.config.scopes
    elif audience is not None:
        raise ConfigurationError("audience", "the verifier has one already")
    else:
        verifier, events = source, None
    verifier.check(runtime)
    told: tuple[Endpoint, ...] = ()
    if logout_receiver is not None:
        logout_receiver.check(runtime)
        told = (logout_receiver.endpoint,)
    if resource is None:
        return ResourceGuard(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            events=events,
            endpoints=told,
        )
    if resource_metadata is not None:
        raise ConfigurationError("resource_metadata", "give either this or resource")
    metadata = ResourceMetadata(
        resource, verifier.issuers, scopes=scopes or (), clock=verifier.clock
    )
    return ResourceGuard(
        verifier,
        realm=realm,
        resource_metadata=metadata.url,
        events=events,
        endpoints=(metadata.endpoint, *told),
    )
