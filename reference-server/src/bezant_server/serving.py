"""Running the server: prepare everything once, then serve with one process or several."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from threading import Thread

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from bezant.errors import ConfigurationError, KeyUnavailable, StoreUnavailable
from bezant.runtime import SYNC, run_sync
from bezant.secret_key import SecretKeyRing
from bezant_server.app import Application, create_app
from bezant_server.assembly import assemble
from bezant_server.database import described, open_database, sqlite_file
from bezant_server.logs import configure_logging
from bezant_server.metrics import MULTIPROCESS_VARIABLE
from bezant_server.schema import migrate
from bezant_server.secret_file import open_ring
from bezant_server.settings import PREFIX, Settings, load_settings
from bezant_server.throttle import check_throttle

__all__ = ["listen", "prepare", "serve", "uvicorn_config", "worker"]

logger = logging.getLogger(__name__)

SUPERVISOR = "_BEZANT_SUPERVISOR"
BACKLOG = 2048


def serve(settings: Settings, notify: Callable[[str], None]) -> int:
    """Serve until told to stop. Returns the exit code.

    Args:
        settings: How to.
        notify: Told where the server is, and of what was made.

    Raises:
        ConfigurationError: The settings cannot be used.
        Refused: The database was migrated by a newer version.
        StoreUnavailable: The database cannot answer.
    """
    settings.public_url()
    with listen(settings.host, settings.port) as listener:
        port: int = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port, "issuer": settings.public_url(port)})
        try:
            check_throttle(settings)
        except StoreUnavailable as error:  # all but logins works without it
            notify(str(error))
        ring = prepare(settings, notify)
        configure_logging(settings)
        notify(f"serving {settings.issuer} (Ctrl-C ends it)")
        with _signals_end_quietly():
            if settings.workers > 1:
                return _serve_with_workers(settings, listener)
            server = uvicorn.Server(uvicorn_config(create_app(settings, ring), settings))
            _settle_memory()
            server.run(sockets=[listener])
            return 0 if server.started else 1


def prepare(settings: Settings, notify: Callable[[str], None]) -> SecretKeyRing:
    """Migrate the database, and make a secret key file and a signing key where there are none.

    It may be done by several processes at once.
    """
    ring = open_ring(settings, notify)
    file = sqlite_file(settings)
    new = file is not None and not file.exists()
    if migrate(settings):
        notify(f"{'made' if new else 'migrated'} {described(settings)}")
    database = open_database(settings)
    try:
        run_sync(assemble(settings, database, ring).prepare(SYNC))
    except KeyUnavailable as error:
        raise ConfigurationError("BEZANT_SECRET_KEY", str(error)) from None
    finally:
        database.close()
    return ring


def listen(host: str, port: int, setting: str = "BEZANT_HOST, BEZANT_PORT") -> socket.socket:
    """A socket that listens; workers share it.

    Raises:
        ConfigurationError: The address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            setting, f"cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    listener.set_inheritable(True)
    return listener


def uvicorn_config(app: ASGIApp | str, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves: quietly, believing nobody's headers unless told to."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_timeout,
    )


def worker() -> Application:
    """The application in a process of the supervisor; settings come by the environment."""
    settings = load_settings()
    configure_logging(settings)
    Thread(target=_follow, args=(int(os.environ[SUPERVISOR]),), daemon=True).start()
    app = create_app(settings, open_ring(settings, lambda _: None))
    _settle_memory()
    return app


def _serve_with_workers(settings: Settings, listener: socket.socket) -> int:
    """One supervisor, which serves nothing itself and replaces workers that end."""
    # Workers are new processes and read the settings again: they have to find what was decided.
    for name in ("host", "port", "issuer", "workers", "log_format"):
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
    os.environ[SUPERVISOR] = str(os.getpid())
    with TemporaryDirectory(prefix="bezant-metrics-") as counters:
        os.environ[MULTIPROCESS_VARIABLE] = counters
        config = uvicorn_config("bezant_server.serving:worker", settings)
        supervisor = Multiprocess(config, sockets=[listener])
        supervisor.run()
    ended = {process.exitcode for process in supervisor.processes}
    return 0 if ended <= {None, 0, -signal.SIGINT, -signal.SIGTERM} else 1


def _follow(supervisor: int) -> None:
    """End with the supervisor, however it ended: nobody else could stop this process."""
    while os.getppid() == supervisor:
        time.sleep(1)
    shutil.rmtree(os.environ[MULTIPROCESS_VARIABLE], ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _settle_memory() -> None:
    """What is loaded stays; the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """A server that was told to stop, and did, has not failed."""

    def told(number: int, frame: object) -> None:
        """Uvicorn sends the signal again when it has shut down."""

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
