"""The examples, run as their first lines say, tell one story."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.running import running


@pytest.mark.parametrize("framework", ["fastapi"])
def test_the_story(framework: str) -> None:
    with ExitStack() as stack:
        issuer = stack.enter_context(running(f"{framework}_issue"))
        home = str(issuer.base_url).rstrip("/")
        api = stack.enter_context(running(f"{framework}_protect", home))

        # Nobody is let in.
        assert api.get("/items").status_code == 401
        assert issuer.get("/me").status_code == 401

        # Alice signs in; her token opens both applications.
        answer = issuer.post(
            "/oauth/token",
            data={
                "grant_type": "password",
                "client_id": "web",
                "username": "alice",
                "password": "wonderland",
            },
        )
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/items", headers=bearer).json()["1"] == "a gold coin"
        assert api.delete("/items/1", headers=bearer).status_code == 204
        assert "1" not in api.get("/items", headers=bearer).json()
        for http in (api, issuer):
            me = http.get("/me", headers=bearer).json()
            assert me == {"subject": "1", "scopes": ["items:read", "items:write"]}

        # With a narrower token she may look, and not delete.
        form = {"grant_type": "refresh_token", "client_id": "web"}
        form |= {"refresh_token": tokens["refresh_token"], "scope": "items:read"}
        tokens = issuer.post("/oauth/token", data=form).json()
        narrow = {"authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/items", headers=narrow).status_code == 200
        refused = api.delete("/items/2", headers=narrow)
        assert refused.status_code == 403
        assert 'scope="items:write"' in refused.headers["www-authenticate"]

        # She signs out; where revocations are known, her tokens are refused at once.
        form = {"client_id": "web", "token": tokens["refresh_token"]}
        assert issuer.post("/oauth/revoke", data=form).status_code == 200
        assert issuer.get("/me", headers=narrow).status_code == 401
