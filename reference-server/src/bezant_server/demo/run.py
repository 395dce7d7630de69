"""Starting the demo's servers, telling the story, and serving on."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import uvicorn
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from starlette.types import ASGIApp

from bezant.errors import ConfigurationError, Refused
from bezant.secret_key import SecretKeyRing
from bezant.urls import is_loopback
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.cli.output import print_json
from bezant_server.demo.apis.process import Order
from bezant_server.demo.data import AUDIENCE, SCOPES, fill
from bezant_server.demo.farewell import farewell
from bezant_server.demo.resources import resource_apis
from bezant_server.demo.story import Place, Story
from bezant_server.demo.tellers import ForPeople, ForScripts
from bezant_server.logs import configure_logging
from bezant_server.serving import listen, prepare, uvicorn_config
from bezant_server.settings import Settings

__all__ = ["run_demo"]

PREFERRED_PORT = 8000
PATIENCE = 30.0


class DemoSettings(Settings):
    """Settings that are all given: what the environment says is for the real server."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only."""
        return (init_settings,)


def run_demo(console: Console, *, once: bool, host: str, port: int | None, as_json: bool) -> int:
    """Run the demo. Returns the exit code: 0 when every step ended as it should.

    Args:
        console: Where to tell the story.
        once: Whether to end after it.
        host: A loopback address.
        port: The server's port; the APIs get others.
        as_json: Whether to print JSON instead of a story.

    Raises:
        ConfigurationError: The address cannot be used.
    """
    if not is_loopback(host):
        raise ConfigurationError("--host", "the demo's passwords are known to all: loopback only")
    teller = ForScripts() if as_json else ForPeople(console)
    staying = not once
    with _serving(host, port) as place:
        good = Story(place, teller).run()
        if isinstance(teller, ForScripts):
            story = {"ok": good, "issuer": place.issuer, "apis": place.apis, "steps": teller.steps}
            print_json(story)
        else:
            farewell(console, place, good=good, staying=good and staying)
        if good and staying:
            _wait_until_told()
    return 0 if good else 1


@contextmanager
def _serving(host: str, port: int | None) -> Iterator[Place]:
    """The server, in an event loop in a thread of its own, and the APIs as processes."""
    with TemporaryDirectory(prefix="bezant-demo-") as directory:
        yield from _serving_from(Path(directory), host, port)


def _serving_from(directory: Path, host: str, port: int | None) -> Iterator[Place]:
    listener = _listener(host, port)
    at = f"[{host}]" if ":" in host else host
    issuer = f"http://{at}:{listener.getsockname()[1]}"
    settings = DemoSettings(
        database_url=f"sqlite:///{directory / 'demo.db'}",
        issuer=issuer,
        secret_key=SecretKeyRing.generate(),
        scopes=SCOPES,
        log_level="error",
        shutdown_timeout=5,
    )
    configure_logging(settings)
    ring = prepare(settings, lambda _: None)
    with administration(settings, lambda _: None) as administered:
        fill(administered)
    order = Order(issuer, AUDIENCE, host, PREFERRED_PORT + 1 if port is None else 0)
    with (
        _Running(create_app(settings, ring), listener, settings),
        resource_apis(order) as apis,
    ):
        yield Place(issuer, apis)


def _listener(host: str, port: int | None) -> socket.socket:
    """A socket: on the port that people expect, or on any that is free."""
    if port is not None:
        return listen(host, port, "--port")
    try:
        return listen(host, PREFERRED_PORT)
    except ConfigurationError:
        return listen(host, 0)


class _Running:
    """An application that is served by a thread for as long as a block lasts."""

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


def _wait_until_told() -> None:
    told = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: told.set())
    told.wait()
