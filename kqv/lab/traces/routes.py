"""`/api/traces` and `/api/code`: thin over the plain functions beside this file."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from kqv.lab.state import Lab
from kqv.lab.traces.asking import trace_model
from kqv.lab.traces.cell import cell_for_page, path_for_page
from kqv.lab.traces.code import excerpt
from kqv.lab.traces.header import header
from kqv.lab.traces.paper import page_of
from kqv.lab.traces.tensors import labels_of, summary_of, tensor_of
from kqv.lab.traces.windows import cut, read_window
from kqv.systems.system import TraceAsked
from kqv.trace.cells import Phase
from kqv.trace.trace import Trace

router = APIRouter(prefix="/api")

_MOST_TEXT = 20_000


class Wanted(BaseModel):
    """A trace as a page asks for it; see `kqv trace`."""

    model: str = Field(max_length=1000)
    input: str | None = Field(None, max_length=_MOST_TEXT)
    label: str | None = Field(None, max_length=_MOST_TEXT)
    training: bool = False
    like: str | None = Field(None, max_length=_MOST_TEXT)


def _lab(request: Request) -> Lab:
    found: Lab = request.app.state.lab
    return found


def _trace(request: Request, identity: str) -> Trace:
    return _lab(request).traces[identity].trace


@router.post("/traces")
def make(wanted: Wanted, request: Request) -> dict[str, Any]:
    """Trace a model on an input; the header."""
    asked = TraceAsked(wanted.input, wanted.label, wanted.training, wanted.like)
    return header(trace_model(_lab(request), wanted.model, asked))


@router.get("/traces")
def listed(request: Request) -> list[dict[str, Any]]:
    """The traces that are kept, oldest first."""
    return [
        {"id": kept.id, "input": kept.traced.input, "tensors": len(kept.trace), "bytes": kept.size, "about": kept.about}
        for kept in _lab(request).traces
    ]


@router.get("/traces/{identity}")
def described(identity: str, request: Request) -> dict[str, Any]:
    """The header of a trace."""
    return header(_lab(request).traces[identity])


@router.get("/traces/{identity}/numbers")
def numbers(
    identity: str,
    tensor: str,
    request: Request,
    phase: Phase = "forward",
    window: str = "",
    blocks: str = "",
    reduce: Literal["mean", "largest"] = "largest",
) -> Response:
    """Numbers of a window in little-endian float32, row by row; their sizes in the header `X-Sizes`."""
    found, dimensions = tensor_of(_trace(request, identity), tensor, phase)
    part = read_window(window, blocks, tensor, dimensions, tuple(found.shape))
    content = cut(found, part, reduce).numpy().astype("<f4", copy=False).tobytes()
    sizes = ",".join(map(str, part.sizes))
    return Response(content, media_type="application/octet-stream", headers={"X-Sizes": sizes})


@router.get("/traces/{identity}/summary")
def summary(identity: str, tensor: str, request: Request, phase: Phase = "forward") -> dict[str, Any]:
    """A tensor in a few numbers."""
    return summary_of(_trace(request, identity), tensor, phase)


@router.get("/traces/{identity}/words")
def words(
    identity: str, tensor: str, dimension: str, start: int, stop: int, request: Request, example: int = 0
) -> list[str]:
    """The words of some positions of a dimension."""
    return labels_of(_trace(request, identity), tensor, dimension, start, stop, example)


@router.get("/traces/{identity}/cell")
def one_cell(identity: str, cell: str, request: Request, terms: int = 6) -> dict[str, Any]:
    """One number with its arithmetic."""
    return cell_for_page(_trace(request, identity), cell, max(1, min(terms, 100)))


@router.get("/traces/{identity}/path")
def path(identity: str, cell: str, request: Request) -> list[dict[str, Any]]:
    """The chain of largest contributions from a cell back to an input."""
    return path_for_page(_trace(request, identity), cell)


@router.get("/traces/{identity}/page")
def page(identity: str, request: Request, word: str | None = Query(None, max_length=1000)) -> Response:
    """The trace as one self-contained page, as `kqv trace --html` writes it; `word` as of `--word`."""
    kept = _lab(request).traces[identity]
    text = page_of(kept, word)
    return Response(text, media_type="text/html", headers={"content-disposition": 'attachment; filename="trace.html"'})


@router.get("/code")
def source(file: str, line: int) -> dict[str, Any]:
    """The function of kqv's source that a line belongs to."""
    return excerpt(file, line).as_dict()
