"""One API as a process: told what to be, it says where it is, and ends with whoever started it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from json import dumps, loads
from threading import Thread

from bezant import TokenVerifier

__all__ = ["Order", "Serve", "follow", "listener", "run"]


@dataclass(frozen=True, slots=True)
class Order:
    """What an API is told.

    Args:
        issuer: The server whose tokens it takes.
        audience: What it is called in tokens.
        host: Where to listen.
        port: On which port, if that is free; else on any.
        partner: A second issuer, for the API that takes the tokens of two.
    """

    issuer: str
    audience: str
    host: str
    port: int
    partner: str = ""

    def dumps(self) -> str:
        """As one line."""
        return dumps(asdict(self))

    @classmethod
    def loads(cls, line: str) -> Order:
        """From one line."""
        return cls(**loads(line))


Serve = Callable[[Order, socket.socket, str], None]
"""Serves at a listening socket, which has the URL given, until the process ends."""


def run(serve: Serve) -> None:
    """Read the order from the first line of standard input, and serve until its end.

    A demo that dies, however it dies, leaves no API behind.
    """
    order = Order.loads(sys.stdin.readline())
    with listener(order.host, order.port) as listening:
        host = f"[{order.host}]" if ":" in order.host else order.host
        url = f"http://{host}:{listening.getsockname()[1]}"
        Thread(target=_end_with_the_demo, daemon=True).start()
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        serve(order, listening, url)


def listener(host: str, port: int) -> socket.socket:
    """A listening socket, on the port that is wished for or on any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wished in (port, 0):
        with suppress(OSError):
            return socket.create_server((host, wished), family=family, backlog=128)
    raise OSError(f"cannot listen on {host}")


def follow(order: Order, issuer: str = "") -> TokenVerifier:
    """A verifier of an issuer's tokens, the server's by default."""
    return TokenVerifier.from_issuer(issuer or order.issuer, audience=order.audience)


def _end_with_the_demo() -> None:
    sys.stdin.read()
    os._exit(0)
