"""aiohttp, asked over a socket: what is compared is what was sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

from aiohttp_bezant import get_principal, oauth_app, optional, require, setup
from bezant import AuthorizationServer
from bezant.http import Request, Response
from tests.harness import ROUTES, Route, show
from tests.harness.at_once import in_loop, nobody

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bezant import Verifier
    from bezant.logout_receiver import LogoutReceiver
    from tests.harness.at_once import Answered, Asked, Told


class App:
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        if isinstance(source, AuthorizationServer):
            app = oauth_app(source)
            app.middlewares.append(self._seen_from)
        else:
            app = web.Application()
        setup(app, source, logout_receiver=receiver)
        for number, (path, route) in enumerate(ROUTES.items()):
            # One after the other, functions and views.
            handler = (_function, _view)[number % 2](optional if route.optional else _need(route))
            app.router.add_route("*", path, handler)
        self._runner = asyncio.Runner()
        # The server's own limits are above those of core, so that core is heard.
        self._app = web.AppRunner(app, max_field_size=1 << 17)
        self._runner.run(self._start())

    def send(self, path: str, request: Request, /) -> Response:
        self._sent = request
        return self._runner.run(self._send(path, request))

    def send_all(self, requests: Asked, /, told: Told = nobody) -> Answered:
        return self._runner.run(in_loop(self._send, requests, told))

    def close(self) -> None:
        self._runner.run(self._app.cleanup())
        self._runner.close()
        self._source.close()

    @web.middleware
    async def _seen_from(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What an application does behind a proxy that it trusts."""
        if all(value == value.strip() for _, value in self._sent.headers):
            return await handler(request.clone(remote=self._sent.address))
        # HTTP has no blanks around a header's value; core is asked about them all the same.
        headers = CIMultiDict(self._sent.headers)
        return await handler(request.clone(remote=self._sent.address, headers=headers))

    async def _start(self) -> None:
        await self._app.setup()
        await web.TCPSite(self._app, "127.0.0.1", 0).start()
        self._place = self._app.addresses[0]

    async def _send(self, path: str, request: Request) -> Response:
        headers = [("host", "internal.example.com"), ("content-length", str(len(request.body)))]
        headers = [pair for pair in headers if not request.header(pair[0])] + [*request.headers]
        target = f"{path}?{request.query}" if request.query else path
        lines = [f"{request.method} {target} HTTP/1.1", *map(": ".join, headers), "", ""]
        reader, writer = await asyncio.open_connection(*self._place)
        try:
            writer.write("\r\n".join(lines).encode("latin-1") + request.body)
            return await _answer(reader, empty=request.method == "HEAD")
        finally:
            writer.close()
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, *, empty: bool) -> Response:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")[:-2]
    pairs = tuple((name.lower(), value) for name, _, value in (x.partition(": ") for x in lines))
    answer = Response(int(status.split()[1]), pairs, b"")
    length = 0 if empty else int(answer.header("content-length") or 0)
    return Response(answer.status, pairs, await reader.readexactly(length))


def _need(route: Route) -> Any:
    return require(*route.scopes, **route.options)


def _function(protect: Any) -> Any:
    @protect
    async def handler(request: web.Request) -> web.Response:
        who = get_principal(request)
        return web.Response(body=show(who), content_type="application/json")

    return handler


def _view(protect: Any) -> Any:
    class View(web.View):
        @protect
        async def get(self) -> web.Response:
            who = get_principal(self.request)
            return web.Response(body=show(who), content_type="application/json")

    return View
