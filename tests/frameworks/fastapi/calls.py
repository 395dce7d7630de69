"""Calls to an application in the same event loop: HTTP, WebSocket handshakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import MutableMapping

HERE = "https://api.example.com"


def client(app: Any, token: str | None = None, *, root_path: str = "") -> httpx2.AsyncClient:
    """A client that sends ``token`` with every request."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    transport = httpx2.ASGITransport(app, root_path=root_path)
    return httpx2.AsyncClient(transport=transport, base_url=HERE, headers=headers)


async def started(app: Any) -> None:
    """Start and stop an application, as a server does."""
    async with app.router.lifespan_context(app):
        pass


async def handshake(
    app: Any, path: str, token: str | None = None, *, denial: bool = True
) -> list[MutableMapping[str, Any]]:
    """What an application says to a WebSocket's handshake.

    Args:
        app: The application.
        path: The path.
        token: An access token.
        denial: Whether the server can answer with a status.
    """
    sent: list[MutableMapping[str, Any]] = []
    received = iter([{"type": "websocket.connect"}])

    async def receive() -> MutableMapping[str, Any]:
        return next(received, {"type": "websocket.disconnect", "code": 1000})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [] if token is None else [(b"authorization", f"Bearer {token}".encode())],
        "subprotocols": [],
        "client": ("192.0.2.1", 54321),
        "server": ("internal.example.com", 8000),
    }
    if denial:
        scope["extensions"] = {"websocket.http.response": {}}
    await app(scope, receive, send)
    return sent
