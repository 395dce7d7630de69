"""A small HTTP/1.1 load generator: one process, one epoll loop, keep-alive connections.

It reads a plan as JSON from standard input and writes what it saw as JSON to standard output, so
that it runs in a process of its own, on a core of its own (see `load.py`). Standard library only.

Three kinds of work, one per group of connections:

* *repeat*: every connection sends the given requests in turn (one request is the usual case);
* *chain*: every connection owns one refresh token, sends it, and sends next the refresh token
  which the answer brought. No token is ever used twice, no answer may lack one;
* either of them *paced*: requests start at fixed times however slow the answers are, and latency
  counts from the planned start, so a stall is charged to every request it delayed.

Anything but status 200 is an error: it is counted, the first one is kept word for word, and the
row it belongs to is worthless.
"""

from __future__ import annotations

import collections
import gc
import json
import re
import select
import socket
import sys
import time
from typing import Any

NEXT_TOKEN = re.compile(rb'"refresh_token"\s*:\s*"([^"]+)"')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked\r\n", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


class Group:
    """Connections which do the same work, and what came of it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.name: str = plan["name"]
        self.requests: list[bytes] = [request.encode("latin-1") for request in plan["requests"]]
        self.tokens = collections.deque(token.encode() for token in plan["tokens"])
        self.chained = bool(self.tokens)
        self.head, _, self.body = self.requests[0].partition(HEAD_END)
        self.rate: float = plan["rate"]
        self.sent = 0
        self.answers = 0
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

    def finish(self, now: float, counting: bool) -> None:
        """Judge the complete answer and take the next token out of it."""
        answer, self.buffer = self.buffer, b""
        group = self.group
        group.answers += 1
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
        elif counting:
            group.latencies.append(now - self.started)


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Drive the server for `warmup + seconds`; count what finishes after the warm-up."""
    address = (plan["host"], plan["port"])
    groups = [Group(group) for group in plan["groups"]]
    epoll = select.epoll()
    connections: dict[int, Connection] = {}
    for group, spec in zip(groups, plan["groups"], strict=True):
        for _ in range(spec["connections"]):
            connection = Connection(address, group)
            connections[connection.socket.fileno()] = connection
            epoll.register(connection.socket, select.EPOLLIN)
            group.idle.append(connection)

    clock = time.perf_counter
    begin = clock()
    count_from = begin + plan["warmup"]
    stop = count_from + plan["seconds"]
    for group in groups:
        group.due = begin
        if not group.rate:
            while group.idle:
                group.idle.popleft().send(clock())
    paced = [group for group in groups if group.rate]

    gc.disable()
    while (now := clock()) < stop:
        for group in paced:
            while group.due <= now and group.idle:
                group.idle.popleft().send(group.due)
                group.due += 1 / group.rate
        # Never asleep: waking this process would be charged to the server, and the quicker the
        # server the seldomer it had to.
        for number, _ in epoll.poll(0):
            connection = connections[number]
            if not connection.receive():
                continue
            now = clock()
            connection.finish(now, now >= count_from)
            if connection.group.rate:
                connection.group.idle.append(connection)
            else:
                connection.send(now)

    return {
        "groups": {
            group.name: {
                "answers": group.answers,
                "latencies": sorted(group.latencies),
                "errors": group.errors,
                "first_error": group.first_error,
            }
            for group in groups
        },
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
