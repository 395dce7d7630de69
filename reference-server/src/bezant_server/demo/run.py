"""Starting the demo's servers, telling the story, and serving on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from starlette.types import ASGIApp

from bezant.errors import ConfigurationError
from bezant.secret_key import SecretKeyRing
from bezant.urls import is_loopback
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.cli.output import print_json
from bezant_server.demo.apis.process import Order
from bezant_server.demo.data import APPLICATIONS, AUDIENCE, SCOPES, fill
from bezant_server.demo.farewell import farewell
from bezant_server.demo.relying_party import create
from bezant_server.demo.resources import FRAMEWORKS, resource_apis
from bezant_server.demo.running import Running
from bezant_server.demo.story import Place, Story
from bezant_server.demo.tellers import ForPeople, ForScripts
from bezant_server.logs import configure_logging
from bezant_server.serving import listen, prepare
from bezant_server.settings import Settings

__all__ = ["run_demo"]

PREFERRED_PORT = 8000


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
            print_json(
                {
                    "ok": good,
                    "issuer": place.issuer,
                    "apis": place.apis,
                    "applications": place.applications,
                    "steps": teller.steps,
                }
            )
        else:
            farewell(console, place, good=good, staying=good and staying)
        if good and staying:
            _wait_until_told()
    return 0 if good else 1


@contextmanager
def _serving(host: str, port: int | None) -> Iterator[Place]:
    """The server and the web applications, each in an event loop in a thread of its own, and the
    APIs as processes.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bezant-demo-")))
        listener = _listener(host, port, PREFERRED_PORT)
        issuer = _url(host, listener)
        # Before anything runs: the server has to know where they are.
        first, any_port = PREFERRED_PORT + 1 + len(FRAMEWORKS), None if port is None else 0
        sockets = {
            application.name: _listener(host, any_port, first + number)
            for number, application in enumerate(APPLICATIONS)
        }
        applications = {name: _url(host, listening) for name, listening in sockets.items()}
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
            fill(administered, applications)
        order = Order(issuer, AUDIENCE, host, PREFERRED_PORT + 1 if port is None else 0)
        stack.enter_context(Running(create_app(settings, ring), listener, settings))
        apis = stack.enter_context(resource_apis(order))
        for app, listening in _applications(issuer, apis, applications, sockets):
            stack.enter_context(Running(app, listening, settings))
        yield Place(issuer, apis, applications)


def _applications(
    issuer: str,
    apis: Mapping[str, str],
    urls: Mapping[str, str],
    sockets: Mapping[str, socket.socket],
) -> Iterator[tuple[ASGIApp, socket.socket]]:
    for application in APPLICATIONS:
        app = create(
            application,
            issuer=issuer,
            url=urls[application.name],
            api=apis[application.api],
            links=urls,
        )
        yield app, sockets[application.name]


def _url(host: str, listener: socket.socket) -> str:
    at = f"[{host}]" if ":" in host else host
    return f"http://{at}:{listener.getsockname()[1]}"


def _listener(host: str, port: int | None, wished: int) -> socket.socket:
    """A socket: on the port that people expect, or on any that is free.

    Args:
        host: The address.
        port: The port; None takes what is free.
        wished: The port that is taken if it is free.
    """
    if port is not None:
        return listen(host, port, "--port")
    try:
        return listen(host, wished)
    except ConfigurationError:
        return listen(host, 0)


def _wait_until_told() -> None:
    told = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: told.set())
    told.wait()
