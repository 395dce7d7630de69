"""Starting the demo's two servers, telling the story, and serving on."""

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

from bezant.config import is_loopback
from bezant.errors import ConfigurationError
from bezant.secret_key import SecretKeyRing
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.cli.output import print_json
from bezant_server.demo.api import create_api
from bezant_server.demo.data import SCOPES, fill
from bezant_server.demo.farewell import farewell
from bezant_server.demo.story import Place, Story
from bezant_server.demo.tellers import ForPeople, ForScripts
from bezant_server.errors import Refused
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
        port: The server's port; the API gets another one.
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
            story = {"ok": good, "issuer": place.issuer, "api": place.api, "steps": teller.steps}
            print_json(story)
        else:
            farewell(console, place, good=good, staying=good and staying)
        if good and staying:
            _wait_until_told()
    return 0 if good else 1


@contextmanager
def _serving(host: str, port: int | None) -> Iterator[Place]:
    """The server and the API, in one event loop in a thread of its own."""
    with TemporaryDirectory(prefix="bezant-demo-") as directory:
        yield from _serving_from(Path(directory), host, port)


def _serving_from(directory: Path, host: str, port: int | None) -> Iterator[Place]:
    listener, api_listener = _listeners(host, port)
    at = f"[{host}]" if ":" in host else host
    place = Place(
        issuer=f"http://{at}:{listener.getsockname()[1]}",
        api=f"http://{at}:{api_listener.getsockname()[1]}",
    )
    settings = DemoSettings(
        database_url=f"sqlite:///{directory / 'demo.db'}",
        issuer=place.issuer,
        secret_key=SecretKeyRing.generate(),
        scopes=SCOPES,
        log_level="error",
        shutdown_timeout=1,
    )
    configure_logging(settings)
    ring = prepare(settings, lambda _: None)
    with administration(settings, lambda _: None) as administered:
        fill(administered, place.api)
    app = create_app(settings, ring)
    api = create_api(app.server, place.api, f"{place.issuer}/oauth/token")
    with _Running([(app, listener), (api, api_listener)], settings):
        yield place


def _listeners(host: str, port: int | None) -> tuple[socket.socket, socket.socket]:
    """Two sockets: on the ports that people expect, or on any that are free."""
    if port is not None:
        return listen(host, port, "--port"), listen(host, 0, "--host")
    try:
        return listen(host, PREFERRED_PORT), listen(host, PREFERRED_PORT + 1)
    except ConfigurationError:
        return listen(host, 0), listen(host, 0)


class _Running:
    """Applications that are served by a thread for as long as a block lasts."""

    def __init__(self, apps: list[tuple[ASGIApp, socket.socket]], settings: Settings) -> None:
        self._servers = [uvicorn.Server(uvicorn_config(app, settings)) for app, _ in apps]
        self._sockets = [listener for _, listener in apps]
        self._thread = Thread(target=asyncio.run, args=(self._serve(),), name="demo")

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._sockets, strict=True)
        await asyncio.gather(*(server.serve([listener]) for server, listener in pairs))

    def __enter__(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not all(server.started for server in self._servers):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._stop()
                raise Refused("the demo's servers did not start")
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        self._thread.join()


def _wait_until_told() -> None:
    told = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: told.set())
    told.wait()
