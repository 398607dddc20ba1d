"""The server as a web application: a model's endpoints behind the guard."""

from __future__ import annotations

import time

from fastapi import FastAPI, HTTPException, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kqv import __version__
from kqv.http.guard import Guard
from kqv.server import common
from kqv.server.answered import LEFT
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.rules import ServerRules
from kqv.server.service import Service
from kqv.server.settings import Settings


def create_app(service: Service, settings: Settings, metrics: Metrics) -> FastAPI:
    """The application of one served model."""
    app = FastAPI(title="kqv serve", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.model, app.state.description = service.state, service.description
    app.state.settings, app.state.metrics, app.state.started = settings, metrics, int(time.time())
    app.add_middleware(Guard, rules=ServerRules(settings))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(404, _unknown)
    app.add_exception_handler(405, _unknown)
    app.add_exception_handler(Exception, _failed)
    app.state.paths = paths_of(service)
    for router in (common.router, *service.routers):
        app.include_router(router)
    return app


def paths_of(service: Service) -> frozenset[str]:
    """The paths that are counted one by one."""
    routes = [route for router in (common.router, *service.routers) for route in router.routes]
    return frozenset(route.path for route in routes if isinstance(route, Route) and "{" not in route.path)


def _refused(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, Refusal)
    return Response(status_code=LEFT) if failure.status == LEFT else failure.response()


def _unknown(request: Request, failure: Exception) -> JSONResponse:
    """A path or a method that there is not."""
    status = getattr(failure, "status_code", 404)
    offered = ", ".join(sorted(request.app.state.paths))
    why = f"there is no {request.method} {request.url.path[:100]} here; there are: {offered}"
    return Refusal(status, why, code="unknown_url").response()


def _failed(request: Request, failure: Exception) -> JSONResponse:
    """A mistake of ours; the log has it."""
    return Refusal(500, "the server failed at this request; its log says why").response()
