from aiohttp import web

from aiohttp_bezant import get_principal, optional, principal, require

routes = web.RouteTableDef()


@routes.get("/hello")
@optional
async def hello(request: web.Request) -> web.Response:
    who = get_principal(request)
    return web.Response(text=f"hello {who.subject if who else 'stranger'}")


@routes.view("/items")
class Items(web.View):
    @require("items:read")
    async def get(self) -> web.Response:
        return web.Response(text=f"items for {principal(self.request).subject}")

    @require("items:write", permission="items.delete")
    async def delete(self) -> web.Response:
        return web.Response(status=204)


@routes.get("/news")
@require("items:read")
async def news(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(f"news for {principal(request).subject}")
    return socket
