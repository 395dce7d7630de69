"""What an attempt to rotate an authorization means, wherever authorizations are kept."""

from __future__ import annotations

from bezant.stores import Authorization, Outcome

__all__ = ["decide"]


def decide(
    found: Authorization | None,
    client_id: str,
    generation: int,
    now: float,
    retry_window: float,
) -> Outcome:
    """The outcome of `AuthorizationStore.rotate` for the authorization as it was found.

    Pure: a store calls it while it holds whatever keeps the authorization from changing, and then
    stores what follows: the next generation after ``ROTATED``, the revocation after ``REUSED``,
    nothing after any other outcome.
    """
    if found is None or found.client_id != client_id:
        return Outcome.UNKNOWN
    if found.revoked_at is not None:
        return Outcome.REVOKED
    if now >= min(found.expires_at, found.idle_expires_at):
        return Outcome.EXPIRED
    if generation == found.generation:
        return Outcome.ROTATED
    if generation > found.generation:
        return Outcome.UNKNOWN
    if generation == found.generation - 1 and now - found.rotated_at < retry_window:
        return Outcome.RETRIED
    return Outcome.REUSED
