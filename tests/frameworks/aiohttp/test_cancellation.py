"""Clients that hang up while somebody waits for an issuer: nobody else notices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientTimeout, web

from aiohttp_bezant import principal, require, setup
from bezant import TokenVerifier
from bezant.testing.issuer import FakeIssuer
from tests.frameworks.aiohttp.calls import bearer, client
from tests.world import API

if TYPE_CHECKING:
    from collections.abc import Iterator

JWKS = "/oauth/jwks.json"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer(API) as made:
        yield made


async def test_those_who_go_take_nothing_from_those_who_stay(
    issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    reached: list[str] = []

    @require()
    async def me(request: web.Request) -> web.Response:
        reached.append(principal(request).subject)
        return web.json_response(reached[-1])

    app = web.Application()
    setup(app, TokenVerifier.from_issuer(issuer.url, audience=API, timeout=2.0))
    app.router.add_get("/", me)
    async with client(app) as http:  # its server cancels the handlers of clients that have gone
        assert (await http.get("/", headers=bearer(issuer.mint()))).status == 200
        issuer.fail("slow", JWKS)
        issuer.rotate()  # so that all have to wait for the new key
        impatient = [
            http.get("/", headers=bearer(issuer.mint(subject="gone")), timeout=ClientTimeout(0.5))
            for _ in range(8)
        ]
        patient = asyncio.ensure_future(http.get("/", headers=bearer(issuer.mint(subject="bob"))))
        gone = await asyncio.gather(*impatient, return_exceptions=True)
        assert all(isinstance(error, TimeoutError) for error in gone)
        assert (await patient).status == 401  # nobody told the new key in time
        issuer.recover()
        async with asyncio.timeout(20):  # what follows the issuer has not been cancelled
            while (await http.get("/", headers=bearer(issuer.mint()))).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert set(reached) == {"alice"}
    assert "Traceback" not in caplog.text
