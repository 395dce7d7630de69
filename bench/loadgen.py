"""A small HTTP/1.1 load generator: one process, one epoll loop, keep-alive connections.

It reads a plan as JSON from standard input and writes what it saw as JSON to standard output, so
that it runs in a process of its own, on a core of its own (see `load.py`). Standard library only.

Three kinds of work, one per group of connections:

* *repeat*: every connection sends the given requests in turn (one request is the usual case);
* *chain*: every connection owns one refresh token, sends it, and sends next the refresh token
  which the answer brought. No token is ever used twice, no answer may lack one;
* either of them *paced*: requests start at fixed times however slow the answers are, and latency
  counts from the planned start, so a stall is charged to every request it delayed.

Servers are loaded one after the other, each for one short turn, again and again: a shared machine
changes its speed several times a second, and all are to have their share of each.

Anything but status 200 is an error: it is counted, the first one is kept word for word, and the
row it belongs to is worthless.
"""

from __future__ import annotations

import collections
import gc
import json
import random
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

NEXT_TOKEN = re.compile(rb'"refresh_token"\s*:\s*"([^"]+)"')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked\r\n", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
PATIENCE = 30.0
"""Seconds until a server that does not answer has failed."""


class Group:
    """Connections which do the same work, and what came of it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.name: str = plan["name"]
        self.requests: list[bytes] = [request.encode("latin-1") for request in plan["requests"]]
        self.tokens = collections.deque(token.encode() for token in plan["tokens"])
        self.chained = bool(self.tokens)
        self.head, _, self.body = self.requests[0].partition(HEAD_END)
        self.rate: float = plan["rate"]
        self.size: int = plan["connections"]
        self.sent = 0
        self.counting = False
        self.latencies: list[float] = []
        self.errors = 0
        self.first_error = ""
        self.idle: collections.deque[Connection] = collections.deque()
        self.due = 0.0

    def next_request(self, token: bytes) -> bytes:
        """The next request in turn, or the template filled with the connection's token."""
        self.sent += 1
        if not self.chained:
            return self.requests[self.sent % len(self.requests)]
        body = self.body.replace(b"$TOKEN", token)
        return self.head.replace(b"$LENGTH", b"%d" % len(body)) + HEAD_END + body


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, address: tuple[str, int], group: Group) -> None:
        self.address = address
        self.group = group
        self.token = group.tokens.popleft() if group.chained else b""
        self.started = 0.0
        self.buffer = b""
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, started: float) -> None:
        self.started = started
        self.socket.sendall(self.group.next_request(self.token))

    def receive(self) -> bool:
        """Read what is there; whether the answer is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection before it had answered")
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(HEAD_END)
        if end < 0:
            return False
        length = LENGTH.search(self.buffer, 0, end + 2)
        if length is not None:
            return len(self.buffer) >= end + 4 + int(length[1])
        if CHUNKED.search(self.buffer, 0, end + 2) is None:
            raise ValueError(f"an answer of unknown length: {self.buffer[:300]!r}")
        return self.buffer.endswith(b"\r\n0\r\n\r\n")

    def finish(self, now: float) -> None:
        """Judge the complete answer and take the next token out of it."""
        answer, self.buffer = self.buffer, b""
        group = self.group
        good = answer[9:12] == b"200"
        if good and group.chained:
            found = NEXT_TOKEN.search(answer)
            good = found is not None and found[1] != self.token
            if found:
                self.token = found[1]
        if not good:
            group.errors += 1
            group.first_error = group.first_error or answer[:600].decode("latin-1")
            if group.chained and group.tokens:
                self.token = group.tokens.popleft()
        elif group.counting:
            group.latencies.append(now - self.started)


class Server:
    """One server under test: groups of connections to it, and the loop that keeps them busy."""

    def __init__(self, host: str, plan: dict[str, Any]) -> None:
        self.clocks = [_processor_clock(process) for process in plan["processes"]]
        self.groups = [Group(group) for group in plan["groups"]]
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.seconds = self.busy = 0.0
        for group, spec in zip(self.groups, plan["groups"], strict=True):
            for _ in range(spec["connections"]):
                connection = Connection((host, plan["port"]), group)
                self.connections[connection.socket.fileno()] = connection
                self.epoll.register(connection.socket, select.EPOLLIN)
                group.idle.append(connection)

    def load(self, seconds: float, *, counting: bool, wait: bool) -> None:
        """Keep it busy so long, then perhaps wait for the last answers."""
        clock = time.perf_counter
        before, begin = self.processor_seconds(), clock()
        paced = [group for group in self.groups if group.rate]
        for group in self.groups:
            group.counting, group.due = counting, begin
            while group.idle and not group.rate:
                group.idle.popleft().send(clock())
        stop = begin + seconds
        while (now := clock()) < stop:
            for group in paced:
                while group.due <= now and group.idle:
                    group.idle.popleft().send(group.due)
                    group.due += 1 / group.rate
            for connection in self.answered():
                if connection.group.rate:
                    connection.group.idle.append(connection)
                else:
                    connection.send(clock())
        while wait and any(len(group.idle) < group.size for group in self.groups):
            if clock() > stop + PATIENCE:
                raise TimeoutError(f"no answer within {PATIENCE} s")
            for connection in self.answered():
                connection.group.idle.append(connection)
        if counting:
            self.seconds += clock() - begin
            self.busy += self.processor_seconds() - before

    def answered(self) -> Iterator[Connection]:
        """The connections whose answers are complete by now."""
        # Never asleep: waking this process would be charged to the server, and the quicker the
        # server the seldomer it had to.
        for number, _ in self.epoll.poll(0):
            connection = self.connections[number]
            if connection.receive():
                connection.finish(time.perf_counter())
                yield connection

    def processor_seconds(self) -> float:
        """Processor time that its processes have used until now."""
        return sum(map(time.clock_gettime, self.clocks))

    def seen(self) -> dict[str, Any]:
        """What came of it."""
        return {
            "seconds": self.seconds,
            "busy": self.busy,
            "groups": {
                group.name: {
                    "latencies": sorted(group.latencies),
                    "errors": group.errors,
                    "first_error": group.first_error,
                }
                for group in self.groups
            },
        }


def _processor_clock(process: int) -> int:
    """The number of a clock that counts what all threads of a process use (Linux: the process in
    the upper bits, inverted, and 2 for what the scheduler measured).
    """
    return ~process << 3 | 2


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Load on one server after the other, in turns that are short, and in an order that changes."""
    gc.disable()
    others_follow = plan["turns"] > 1
    seen: dict[str, Any] = {}
    servers: dict[str, Server] = {}

    def attempt(name: str, action: Callable[..., Any], *args: Any, **options: Any) -> None:
        try:
            action(*args, **options)
        except (OSError, ValueError) as error:
            servers.pop(name, None)
            seen[name] = {"failed": f"{type(error).__name__}: {error}"}

    def begin(name: str) -> None:
        servers[name] = Server(plan["host"], plan["servers"][name])
        servers[name].load(plan["warmup"], counting=False, wait=others_follow)

    for name in plan["servers"]:
        attempt(name, begin, name)
    for turn in range(plan["turns"]):
        order = list(servers)
        random.Random(f"{plan['round']} {turn}").shuffle(order)
        for name in order:
            load = servers[name].load
            attempt(name, load, plan["seconds"], counting=True, wait=others_follow)
    return seen | {name: server.seen() for name, server in servers.items()}


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
