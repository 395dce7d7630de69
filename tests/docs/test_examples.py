"""The examples, run as their first lines say, tell one story in every framework."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.running import eventually, running

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
FRAMEWORKS = ["fastapi", "flask", "django", "aiohttp"]
SPREADS = 20.0
"""Seconds: what the bound of a revocation (5) may become on a machine that has much else to do."""


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_story(name: str) -> None:
    with ExitStack() as stack:
        issuer = stack.enter_context(running(f"{name}_issue"))
        home = str(issuer.base_url).rstrip("/")
        api = stack.enter_context(running(f"{name}_protect", home))

        # Nobody is let in.
        for http, place in ((api, "/items"), (api, "/me"), (issuer, "/me")):
            refused = http.get(place)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == 'Bearer realm="api"'
        assert api.delete("/items/1").status_code == 401

        # Alice signs in; her token opens both applications.
        tokens = sign_in(issuer)
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/items", headers=bearer).json() == ITEMS
        assert api.delete("/items/1", headers=bearer).status_code == 204
        assert api.get("/items", headers=bearer).json() == {"2": ITEMS["2"]}
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

        # She signs out; the issuer refuses her tokens at once, the API as soon as it hears of it.
        form = {"client_id": "web", "token": tokens["refresh_token"]}
        assert issuer.post("/oauth/revoke", data=form).status_code == 200
        assert issuer.get("/me", headers=narrow).status_code == 401
        for token in (bearer, narrow):
            assert eventually(lambda: status(api, token) == 401, within=SPREADS)  # noqa: B023

        # What the page tells a reader to send does what it says.
        token, read, delete = requests_on_the_page(name)
        answer = send(token, issuer, "")
        assert answer.status_code == 200, answer.text
        assert send(read, api, answer.json()["access_token"]).json() == {"2": ITEMS["2"]}
        assert send(delete, api, answer.json()["access_token"]).status_code == 204


ITEMS = {"1": "a gold coin", "2": "a silver coin"}


def sign_in(issuer: httpx2.Client) -> dict[str, str]:
    form = {"grant_type": "password", "client_id": "web"}
    answer = issuer.post(
        "/oauth/token", data={**form, "username": "alice", "password": "wonderland"}
    )
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def status(api: httpx2.Client, headers: dict[str, str]) -> int:
    return api.get("/me", headers=headers).status_code


def requests_on_the_page(framework: str) -> list[str]:
    page = (ROOT / "docs" / f"quickstart-{framework}.md").read_text(encoding="utf-8")
    return re.findall(r"^curl (?:.*\\\n)*.*$", page, re.MULTILINE)


def send(curl: str, to: httpx2.Client, token: str) -> httpx2.Response:
    """What a command line with curl sends, to an application on another port than it says."""
    reader = ArgumentParser()
    reader.add_argument("-X", dest="method")
    reader.add_argument("-H", dest="headers", action="append", default=[])
    reader.add_argument("-d", dest="form", action="append", default=[])
    reader.add_argument("url")
    line = curl.replace("\\\n", " ").replace("$TOKEN", token)
    said = reader.parse_args(shlex.split(line)[1:])
    headers = dict(header.split(": ", 1) for header in said.headers)
    form = dict(field.split("=", 1) for field in said.form)
    method = said.method or ("POST" if form else "GET")
    return to.request(method, urlsplit(said.url).path, headers=headers, data=form or None)


# ---- side by side ------------------------------------------------------------------------------


def source(framework: str, role: str) -> str:
    return (EXAMPLES / f"{framework}_{role}.py").read_text(encoding="utf-8")


SHARED = {
    "issue": r"^SCOPES = .*^    users=.*?^\)$",
    "protect": r"^ISSUER = .*?^AUDIENCE = .*?$",
}
"""The parts that know no framework: a whole server, or what is known of it."""


def shared(text: str, role: str) -> str:
    found = re.search(SHARED[role], text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", FRAMEWORKS[1:])
@pytest.mark.parametrize("role", ["issue", "protect"])
def test_they_differ_where_frameworks_do(name: str, role: str) -> None:
    one, other = source(FRAMEWORKS[0], role), source(name, role)
    assert other.splitlines()[0] == one.splitlines()[0]
    assert shared(other, role) == shared(one, role)
    for said in (
        r"^(?:async )?def (?!main\b)(\w+)",  # handlers, in order
        r"require\((\".*?)\)",
        r"items = .*",
        r"{\"subject\".*?}",
    ):
        assert re.findall(said, other, re.MULTILINE) == re.findall(said, one, re.MULTILINE)
