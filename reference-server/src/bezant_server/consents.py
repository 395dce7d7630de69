"""Taking back what a client was allowed to do."""

from __future__ import annotations

from bezant.events import ConsentWithdrawn
from bezant.runtime import Runtime
from bezant.server import AuthorizationServer

__all__ = ["withdraw"]


async def withdraw(
    server: AuthorizationServer, subject: str, client_id: str, runtime: Runtime
) -> bool:
    """Forget a consent, and end all that the client got from this person. Returns whether there was
    one.

    Raises:
        StoreUnavailable: Not all of it could be ended; call again.
    """
    now = server.clock()
    # The consent first: what a code would give from now on is not consented to any more.
    removed = await runtime.call(server.stores.consents.remove, subject, client_id)
    live = server.stores.authorizations.list_live
    while given := await runtime.call(live, now, subject, client_id):
        for authorization in given:
            await server.authorizations.revoke(authorization.id, now=now, runtime=runtime)
    if removed:
        server.events.emit(ConsentWithdrawn(at=now, client_id=client_id, subject=subject))
    return removed
