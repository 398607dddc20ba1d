"""`/api/adder`: what the adder's page needs beside the routes of traces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from kqv.lab.adder.columns import columns, numbers
from kqv.lab.state import Lab
from kqv.trace.cells import Phase

router = APIRouter(prefix="/api/adder")


@router.get("/{identity}")
def of_trace(identity: str, request: Request) -> dict[str, Any]:
    """A traced sum column by column."""
    lab: Lab = request.app.state.lab
    return columns(lab.traces[identity].trace)


@router.get("/{identity}/numbers")
def all_numbers(identity: str, request: Request, phase: Phase = "forward") -> Response:
    """All numbers of a phase, tensor after tensor as the trace's header names them."""
    lab: Lab = request.app.state.lab
    return Response(numbers(lab.traces[identity].trace, phase), media_type="application/octet-stream")
