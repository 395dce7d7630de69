"""Django under ASGI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.harness.asgi import ASGIClient
from tests.harness.django import Project

if TYPE_CHECKING:
    from bezant import AuthorizationServer, Verifier
    from bezant.logout_receiver import LogoutReceiver
    from tests.harness.asgi import ASGIApp


class App(ASGIClient):
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        from django.core.handlers.asgi import ASGIHandler

        self._project = Project(source, receiver)
        super().__init__(_patient(ASGIHandler()))

    def close(self) -> None:
        super().close()
        self._project.close()


def _patient(handler: Any) -> ASGIApp:
    """Django knows no lifespan, and drops a request whose client seems to have hung up."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return

        async def connected() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                await asyncio.Event().wait()
            return message

        await handler(scope, connected, send)

    return app
