"""Serving the lab: a free port, the browser, and a clean stop."""

from __future__ import annotations

import asyncio
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import uvicorn

from kqv.errors import Error
from kqv.files import reason
from kqv.lab.app import create_app
from kqv.lab.pages import require_pages
from kqv.lab.settings import Settings

PORTS = 20
"""So many ports are tried, one after the other, where none was asked for."""

LIMIT = 256  # connections at once; more are answered with 503


def listening(settings: Settings, exactly: bool) -> tuple[socket.socket, Settings]:
    """A socket that listens, on the port that was asked for or, unless `exactly`, on the next free one.

    Raises `Error` where there is none, or where the host is none of this machine's.
    """
    ports = [settings.port] if exactly or settings.port == 0 else range(settings.port, settings.port + PORTS)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    failure: OSError | None = None
    for port in ports:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((settings.host, port))
            found.listen(LIMIT)  # a browser that is faster than the server waits
        except OSError as problem:
            found.close()
            failure = problem
            continue
        return found, replace(settings, port=found.getsockname()[1])
    assert failure is not None
    raise Error(
        f"cannot listen on {settings.shown_host}:{settings.port}: {reason(failure)}; choose another --port or --host"
    )


class _Server(uvicorn.Server):
    """A server that says when it serves, and ends what the lab runs before it waits for its requests' end."""

    def __init__(self, config: uvicorn.Config, serving: Callable[[], None], closing: Callable[[], None]) -> None:
        super().__init__(config)
        self.serving, self.closing = serving, closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.closing()
        await super().shutdown(sockets)


def serve(settings: Settings, exactly: bool, serving: Callable[[str], None], browser: bool = True) -> None:
    """Serve until Ctrl-C. `serving(address)` is called once pages can be opened; then a browser is, if wanted."""
    require_pages()
    found, settings = listening(settings, exactly)
    app = create_app(settings)

    def started() -> None:
        serving(settings.address)
        if browser:
            threading.Thread(target=_open, args=(settings.address,), daemon=True).start()

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2,
        limit_concurrency=LIMIT, timeout_keep_alive=10, lifespan="off", ws="none",
    )  # fmt: skip
    server = _Server(config, started, app.state.lab.close)
    with found, suppress(KeyboardInterrupt):
        asyncio.run(server.serve(sockets=[found]))


def _open(address: str) -> None:
    with suppress(Exception):  # a machine without a browser; the address is printed
        webbrowser.open(address)
