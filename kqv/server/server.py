"""Serving a model: loaded, a free port, a clean stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kqv.http.listening import listening, serve_on
from kqv.server.app import create_app
from kqv.server.log import Logged
from kqv.server.metrics import Metrics
from kqv.server.service import Service, open_service
from kqv.server.settings import Settings
from kqv.systems.source import ModelSource


def serve(
    source: ModelSource, best: bool, device: str, settings: Settings, exactly: bool,
    serving: Callable[[Service, Settings], None], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Serve a model until Ctrl-C. `serving(service, settings)` is called once it can be asked; `say(line)` for each
    request. `exactly`: on no other port. Raises `Error` where it cannot be loaded, or listen."""
    limits = settings.limits
    found = listening(settings.host, settings.port, exactly, limits.connections)
    settings = replace(settings, port=found.getsockname()[1])
    metrics = Metrics()
    try:
        service = open_service(source, best, device, settings, metrics)
    except BaseException:
        found.close()
        raise
    app = create_app(service, settings, metrics)
    logged = Logged(app, say, metrics, app.state.paths, limits.patience)
    serve_on(found, logged, lambda: serving(service, settings), service.close, limits.connections)
