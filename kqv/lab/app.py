"""The lab as a web application: every room's routes behind one guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from kqv import __version__
from kqv.errors import Error
from kqv.http.guard import Guard
from kqv.lab import events, overview, pages
from kqv.lab.adder import routes as adder
from kqv.lab.digits import routes as digits
from kqv.lab.exercises import routes as exercises
from kqv.lab.guard import LabRules
from kqv.lab.questions import routes as questions
from kqv.lab.sentence import routes as sentence
from kqv.lab.settings import Settings
from kqv.lab.shapes import routes as shapes
from kqv.lab.state import Lab
from kqv.lab.traces import routes as traces
from kqv.lab.training import routes as training

ROOMS = (pages, events, overview, shapes, exercises, traces, training, questions, digits, sentence, adder)
"""The modules with a `router`, in the order in which they are asked."""


def create_app(settings: Settings) -> FastAPI:
    """The application; its `state.lab` is what all requests share."""
    lab = Lab.of(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        lab.close()

    app = FastAPI(title="kqv lab", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.lab = lab
    app.add_middleware(Guard, rules=LabRules(settings))
    app.add_exception_handler(Error, _mistake)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    for room in ROOMS:
        app.include_router(room.router)
    return app


def _mistake(request: Request, failure: Exception) -> JSONResponse:
    return JSONResponse({"error": " ".join(str(failure).splitlines())}, status_code=400)


def _refused(request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)
    return JSONResponse({"error": str(failure.detail)}, status_code=failure.status_code)


def _not_understood(request: Request, failure: Exception) -> JSONResponse:
    """What is wrong with a request, in one line."""
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    what = first["msg"]
    if what[1:2].islower():  # "Input should be …", and not "JSON decode error"
        what = what[:1].lower() + what[1:]
    return JSONResponse({"error": f"{name}: {what}"}, status_code=422)
