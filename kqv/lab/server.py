"""Serving the lab: a free port, the browser, and a clean stop."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from kqv.http.listening import listening, serve_on
from kqv.lab.app import create_app
from kqv.lab.pages import require_pages
from kqv.lab.settings import Settings

LIMIT = 256  # connections at once; more are answered with 503


def serve(settings: Settings, exactly: bool, serving: Callable[[str], None], browser: bool = True) -> None:
    """Serve until Ctrl-C. `serving(address)` is called once pages can be opened; then a browser is, if wanted."""
    require_pages()
    found = listening(settings.host, settings.port, exactly, LIMIT)
    settings = replace(settings, port=found.getsockname()[1])
    app = create_app(settings)

    def started() -> None:
        serving(settings.address)
        if browser:
            threading.Thread(target=_open, args=(settings.address,), daemon=True).start()

    serve_on(found, app, started, app.state.lab.close, LIMIT)


def _open(address: str) -> None:
    with suppress(Exception):  # a machine without a browser; the address is printed
        webbrowser.open(address)
