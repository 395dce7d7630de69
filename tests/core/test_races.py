"""What happens between two steps of a flow counts, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant.errors import InvalidToken
from bezant.runtime import SYNC, nonblocking, run_sync
from tests.api import TOKEN, Api, basic, client_refusal
from tests.harness.bare import App
from tests.world import PASSWORD, make_world, secret_of

if TYPE_CHECKING:
    from bezant import AuthorizationServer
    from bezant.stores import Authorization

WEB = basic("web", secret_of("web"))
LOGIN = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)]


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_t14_an_account_disabled_while_its_password_was_checked_gets_nothing(how: str) -> None:
    world = make_world()
    store = world.stores.authorizations
    add = store.add

    @nonblocking
    class Meanwhile:
        def add(self, authorization: Authorization, /) -> None:
            if how == "disabled":
                world.change_user("user-alice", active=False)
            else:
                world.remove_user("user-alice")
            store.revoke_for_subject("user-alice", world.clock())
            add(authorization)

    store.add = Meanwhile().add  # type: ignore[method-assign]
    answer = Api(App(world.server)).post(TOKEN, LOGIN, WEB)
    assert client_refusal(answer) == (400, "invalid_grant")
    assert not store.list_live(world.clock())


@pytest.mark.parametrize("kind", ["subject", "client"])
def test_a_sign_in_right_after_a_revocation_is_not_revoked(kind: str) -> None:
    world = make_world()
    api = Api(App(world.server))
    before = api.post(TOKEN, LOGIN, WEB).json()["access_token"]
    world.clock.advance(0.25)
    server = world.server

    async def revoke(server: AuthorizationServer) -> None:
        revocation = server.authorizations
        now = world.clock()
        if kind == "subject":
            await revocation.revoke_for_subject("user-alice", now=now, runtime=SYNC)
        else:
            await revocation.revoke_for_client("web", now=now, runtime=SYNC)

    world.elsewhere(revoke)
    world.clock.advance(0.25)  # the same second still
    after = api.post(TOKEN, LOGIN, WEB).json()["access_token"]
    verifier = server.verifier()
    with pytest.raises(InvalidToken):
        run_sync(verifier.averify(before, SYNC))
    assert run_sync(verifier.averify(after, SYNC)).subject == "user-alice"
