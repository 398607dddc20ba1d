"""The endpoints of every served model: which it is, that it is there, and what it counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kqv.server.refusals import Refusal

router = APIRouter()


@router.get("/v1/models")
def models(request: Request) -> dict[str, Any]:
    """The one model that is served."""
    return {"object": "list", "data": [_model(request)]}


@router.get("/v1/models/{name:path}")
def model(request: Request, name: str) -> dict[str, Any]:
    """It again; `Refusal` for another name."""
    found = _model(request)
    if name != found["id"]:
        why = f"The model `{name[:100]}` does not exist; this server has `{found['id']}`"
        raise Refusal(404, why, "model", "model_not_found")
    return found


@router.get("/health")
def health(request: Request) -> dict[str, str]:
    """The server is there and its model is loaded."""
    return {"status": "ok", "model": request.app.state.settings.name}


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """What is counted, for Prometheus."""
    counted = request.app.state.metrics
    return Response(counted.text(), media_type=counted.content_type)


def _model(request: Request) -> dict[str, Any]:
    state = request.app.state
    described = {"description": state.description}
    return {"id": state.settings.name, "object": "model", "created": state.started, "owned_by": "kqv"} | described
