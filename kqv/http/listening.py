"""Serving an application: a free port, and a clean stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from kqv.errors import Error
from kqv.files import reason
from kqv.http.guard import Application
from kqv.http.names import shown_host
from kqv.http.waiting import Connection, Waiting

PORTS = 20
"""So many ports are tried, one after the other, where none was asked for."""


def listening(host: str, port: int, exactly: bool, backlog: int) -> socket.socket:
    """A socket that listens, on the port that was asked for or, unless `exactly`, on the next free one.

    Raises `Error` where there is none, or where the host is none of this machine's.
    """
    ports = [port] if exactly or port == 0 else range(port, port + PORTS)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    failure: OSError | None = None
    for number in ports:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, number))
            found.listen(backlog)  # a client that is faster than the server waits
        except OSError as problem:
            found.close()
            failure = problem
            continue
        return found
    assert failure is not None
    raise Error(f"cannot listen on {shown_host(host)}:{port}: {reason(failure)}; choose another --port or --host")


class _Connection(H11Protocol):
    """A connection whose client may send what is no HTTP at any moment, also while it is answered."""

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # the answer has begun, so nothing else can be said
            self.transport.abort()


class _Server(uvicorn.Server):
    """A server that says when it serves, and ends what runs in it before it waits for its requests' end."""

    def __init__(
        self, config: uvicorn.Config, serving: Callable[[], None], closing: Callable[[], None], most: int
    ) -> None:
        super().__init__(config)
        self.serving, self.closing = serving, closing
        self.waiting = Waiting(most)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving()

    async def on_tick(self, counter: int) -> bool:
        self.waiting.look(cast("Iterable[Connection]", self.server_state.connections))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.closing()
        await super().shutdown(sockets)


def serve_on(
    found: socket.socket, app: Application, serving: Callable[[], None], closing: Callable[[], None], most: int
) -> None:
    """Serve until Ctrl-C, to `most` connections at once. `serving()` is called once requests are answered, `closing()`
    before those that run are waited for."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2,
        limit_concurrency=most, timeout_keep_alive=10, lifespan="off", ws="none", http=_Connection,
    )  # fmt: skip
    with found, suppress(KeyboardInterrupt):
        asyncio.run(_Server(config, serving, closing, most).serve(sockets=[found]))
