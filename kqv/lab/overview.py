"""What the lab has: its version, its models and runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from kqv import __version__
from kqv.lab.state import Lab

router = APIRouter(prefix="/api")


@router.get("/models")
def models(request: Request, system: str | None = None) -> dict[str, Any]:
    """The models that can be looked at, of all systems or of one."""
    lab: Lab = request.app.state.lab
    found = lab.models.names(*([system] if system else []))
    return {"version": __version__, "models": [asdict(model) for model in found]}
