"""Clients that prove themselves with a signed assertion (RFC 7523), at every endpoint that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant.clients import ASSERTION_TYPE
from bezant.events import ClientAuthenticationFailed
from bezant.testing import fixed_key
from tests.api import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    basic,
    client_refusal,
    proof,
)
from tests.jose import compact, parts, signer
from tests.world import PASSWORD, secret_of

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

LOGIN = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("token", "x")]

everywhere = pytest.mark.parametrize("path", [TOKEN, REVOKE, INTROSPECT])


def sent(api: Api, path: str, assertion: str, *headers: tuple[str, str], **form: str) -> Response:
    proven = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
    return api.post(path, [*LOGIN, *proven, *form.items()], *headers)


@pytest.mark.rfc("7523", "2.2")
@everywhere
def test_c07_an_assertion_proves_a_client_once(api: Api, world: World, path: str) -> None:
    assertion = proof("prover")
    assert sent(api, path, assertion).status == 200
    assert client_refusal(sent(api, path, assertion)) == (401, "invalid_client")
    (event,) = world.seen(ClientAuthenticationFailed)
    assert (event.client_id, event.reason) == ("prover", "assertion: used before")
    # It was used up for all endpoints.
    for other in (TOKEN, REVOKE, INTROSPECT):
        assert sent(api, other, assertion).status == 401


@pytest.mark.rfc("7523", "3")
@everywhere
def test_c06_what_proves_nothing_is_refused_alike(api: Api, path: str) -> None:
    header, claims, _ = parts(proof("prover"))
    key = fixed_key("EdDSA")
    for changes in ({"aud": "https://other.example.com"}, {"exp": 1}, {"jti": ""}, {"sub": "web"}):
        assertion = compact(header, {**claims, **changes}, signer(key))
        answer = sent(api, path, assertion)
        assert client_refusal(answer) == (401, "invalid_client")
        assert answer.json()["error_description"] == "client authentication failed"
    for forged in (
        compact({"alg": "none"}, claims, lambda _: b""),
        compact({"alg": "ES256"}, claims, signer(fixed_key("ES256"))),
        "a.b.c",
    ):
        assert client_refusal(sent(api, path, forged)) == (401, "invalid_client")


@everywhere
def test_c02_c08_an_assertion_goes_with_no_secret(api: Api, path: str) -> None:
    for assertion in ("junk", proof("prover"), proof("web")):
        for answer in (
            sent(api, path, assertion, basic("web", secret_of("web"))),
            sent(api, path, assertion, client_id="web", client_secret=secret_of("web")),
        ):
            assert client_refusal(answer)[0] in {400, 401}
            assert "access_token" not in answer.json()


@everywhere
def test_c03_c09_each_client_has_its_own_method_and_name(api: Api, path: str) -> None:
    assert client_refusal(sent(api, path, proof("web"))) == (401, "invalid_client")
    named = sent(api, path, proof("prover"), client_id="web")
    assert client_refusal(named) == (401, "invalid_client")
    assert sent(api, path, proof("prover"), client_id="prover").status == 200


def test_a_token_of_such_a_client_is_its_own(api: Api) -> None:
    access, refresh = api.tokens("prover")
    assert parts(access)[1]["client_id"] == "prover"
    assert client_refusal(api.refresh(refresh, "web")) == (400, "invalid_grant")
    assert api.refresh(refresh, "prover").status == 200
    assert api.introspect(access, "prover").json()["active"] is True
