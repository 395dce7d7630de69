"""Serving an application beside others, in one process."""

from __future__ import annotations

import asyncio
import socket
import time
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from bezant.errors import Refused
from bezant_server.serving import uvicorn_config
from bezant_server.settings import Settings

__all__ = ["Running"]

PATIENCE = 30.0


class Running:
    """An application that is served by a thread for as long as a block lasts.

    Args:
        app: The application.
        listener: Where it is served.
        settings: How.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, settings: Settings) -> None:
        self._server = uvicorn.Server(uvicorn_config(app, settings))
        self._thread = Thread(
            target=asyncio.run, args=(self._server.serve([listener]),), name="demo"
        )

    def __enter__(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._stop()
                raise Refused("the demo's server did not start")
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
