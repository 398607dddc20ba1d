"""`/api/sentence`: thin over the plain functions beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from kqv.generation.sampling import Sampling
from kqv.lab.rooms import numbers, opened
from kqv.lab.sentence.models import readers
from kqv.lab.sentence.reading import attention_from, likeliest
from kqv.lab.sentence.room import Room
from kqv.lab.sentence.whys import Change, Question
from kqv.systems.writing import Writing

router = APIRouter(prefix="/api/sentence")

Text = Annotated[str, Field(max_length=100_000)]
Position = Annotated[int, Field(ge=0)]


class Read(BaseModel):
    """A text for a model to read; `translation`: what its decoder reads, by default its own; `like`: another text that
    an encoder's is compared to; `gradients`: whether they are wanted also where one waits for them."""

    model: Annotated[str, Field(max_length=1000)]
    text: Text
    translation: Text | None = None
    like: Text | None = None
    gradients: bool = False


class Write(BaseModel):
    """A text to continue, or to translate."""

    model: Annotated[str, Field(max_length=1000)]
    text: Text
    tokens: Annotated[int, Field(ge=1, le=1000)] = 60
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    seed: Annotated[int, Field(ge=0)] = 1


class Asked(BaseModel):
    """What is asked why of a trace; see `kqv why`."""

    trace: str
    cell: Annotated[str, Field(max_length=1000)] | None = None
    position: Position | None = None
    token: Position | None = None
    against: Position | None = None

    @property
    def question(self) -> Question:
        return Question(self.cell, self.position, self.token, self.against)


class Changed(BaseModel):
    """One change of a pass."""

    how: Literal["without", "mean", "taken", "hide"]
    part: Annotated[str, Field(max_length=300)] | None = None
    text: Annotated[str, Field(max_length=5000)] | None = None
    query: Position | None = None
    key: Position | None = None

    @property
    def change(self) -> Change:
        return Change(self.how, self.part, self.text, self.query, self.key)


class AskedChanged(Asked):
    """The same in a pass with changes."""

    changes: Annotated[list[Changed], Field(min_length=1, max_length=16)]


class AskedTested(Asked):
    """The same with so many of its largest parts taken out, one at a time."""

    most: Annotated[int, Field(ge=1, le=16)] = 6


def _room(request: Request) -> Room:
    return opened(request, "sentence", Room)


@router.get("/models")
def models(request: Request) -> list[dict[str, Any]]:
    """The models that read text."""
    return [reader.as_dict() for reader in readers(_room(request).lab.models)]


@router.get("/fetch")
def fetching(request: Request) -> dict[str, Any]:
    """How the download of the model stands that a button fetches; the pages hear of it by `sentence.fetching`."""
    return _room(request).fetching.state


@router.post("/fetch")
def fetch(request: Request) -> dict[str, Any]:
    """Begin it."""
    return _room(request).fetching.start()


@router.post("/fetch/stop")
def stop_fetching(request: Request) -> dict[str, Any]:
    """End it."""
    room = _room(request)
    room.fetching.stop()
    return room.fetching.state


@router.post("/read")
def read(asked: Read, request: Request) -> dict[str, Any]:
    """Trace a model on a text: its words, its attentions and its steps; the numbers are the trace's."""
    return _room(request).read(asked.model, asked.text, asked.translation, asked.like, asked.gradients)


@router.get("/attention")
def attention(request: Request, trace: str, text: int, query: int) -> Response:
    """What every head gives from one position to each key, `[attention·head·key]` in little-endian float32."""
    return numbers(attention_from(_room(request).trace(trace), text, query).numpy())


@router.get("/next")
def following(request: Request, trace: str, position: int) -> list[dict[str, Any]]:
    """The tokens that are likeliest after a position, with their words."""
    return likeliest(_room(request).trace(trace), position)


@router.post("/write")
def write(asked: Write, request: Request) -> StreamingResponse:
    """What the model writes, line by line as it comes, each a JSON object."""
    sampling = Sampling(asked.temperature, asked.top_k, asked.top_p, asked.min_p, asked.repetition_penalty)
    pieces = _room(request).write(asked.model, asked.text, Writing(asked.tokens, sampling, asked.seed))
    return StreamingResponse(_lines(pieces), media_type="application/x-ndjson")


@router.post("/stop")
def stop(request: Request) -> dict[str, Any]:
    """End the text that is being written."""
    _room(request).writer.stop()
    return {}


@router.post("/why")
def why(asked: Asked, request: Request) -> dict[str, Any]:
    """A score or a token's logit, split."""
    room = _room(request)
    return room.whys.answer(room.why(asked.trace), asked.question)


@router.post("/why/changed")
def why_changed(asked: AskedChanged, request: Request) -> dict[str, Any]:
    """The number in the pass as it is and in the changed one."""
    room = _room(request)
    return room.whys.changed(room.why(asked.trace), asked.question, [one.change for one in asked.changes])


@router.post("/why/tested")
def why_tested(asked: AskedTested, request: Request) -> list[dict[str, Any]]:
    """The largest parts, each taken out by itself."""
    room = _room(request)
    return room.whys.tested(room.why(asked.trace), asked.question, asked.most)


def _lines(pieces: Iterator[dict[str, Any]]) -> Iterator[str]:
    for piece in pieces:
        yield json.dumps(piece, ensure_ascii=False, allow_nan=False) + "\n"
