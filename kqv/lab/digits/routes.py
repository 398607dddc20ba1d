"""`/api/digits`: thin over the plain functions beside this file."""

from __future__ import annotations

import json
import random
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, Field

from kqv.errors import Error
from kqv.lab.digits.answers import Numbers, introduction, pass_answer, said_answer, tensor_answer
from kqv.lab.digits.drawing import Prepared, example_picture, pictures_named, prepare_drawing, prepare_file
from kqv.lab.digits.lesson import Lesson, Rule, RuleName, correct, look, open_lesson, recognise, reset, show, teach
from kqv.lab.digits.lessons import Lessons
from kqv.lab.rooms import opened
from kqv.lab.state import Lab
from kqv.systems.digits.trained import digits_recipe_of
from kqv.systems.system import Traced
from kqv.trace.trace import Trace

router = APIRouter(prefix="/api/digits")
Content = Annotated[bytes, Body(media_type="application/octet-stream")]


class Opening(BaseModel):
    """Which network: a model's name in the lab."""

    run: str = Field(max_length=1000)


class Label(BaseModel):
    """The right class, by its position."""

    label: int


class Learning(BaseModel):
    """So many steps by a rule with the learning rate η."""

    steps: int = 1
    rule: RuleName = "gradient-descent"
    rate: float = 0.1


def _lessons(request: Request) -> Lessons:
    return opened(request, "lessons", lambda _: Lessons())


def _lesson(request: Request, identity: str) -> Lesson:
    return _lessons(request)[identity]


@router.post("/lessons")
def begin(opening: Opening, request: Request) -> dict[str, Any]:
    """A lesson with a network; what it is."""
    lab: Lab = request.app.state.lab
    lesson = open_lesson(lab.models.run(opening.run))
    return {"id": _lessons(request).keep(lesson), "name": opening.run, **introduction(lesson)}


@router.post("/lessons/{identity}/glance")
def glance(identity: str, request: Request, content: Content, rows: int, columns: int) -> Response:
    """What the network says of a drawing that is being made; nothing of it is kept."""
    lesson = _lesson(request, identity)
    prepared = prepare_drawing(content, rows, columns, lesson.shape)
    said = recognise(lesson, prepared.picture)
    return packed({"said": said_answer(said), "sizes": list(lesson.shape)}, [prepared.picture.astype("<f4")])


@router.post("/lessons/{identity}/drawing")
def drawing(identity: str, request: Request, content: Content, rows: int, columns: int) -> Response:
    """A drawing, as float32 grey values row by row, put in front of the network."""
    lesson = _lesson(request, identity)
    return _shown(lesson, prepare_drawing(content, rows, columns, lesson.shape))


@router.post("/lessons/{identity}/file")
def file(identity: str, request: Request, content: Content) -> Response:
    """The content of a picture file, put in front of the network."""
    lesson = _lesson(request, identity)
    return _shown(lesson, prepare_file(content, lesson.shape))


@router.post("/lessons/{identity}/example")
def example(
    identity: str, request: Request, number: int | None = None, kind: Literal["any", "mistake"] = "any"
) -> Response:
    """A picture of the test set: of a number, any, or one that the trained network is wrong about."""
    lesson = _lesson(request, identity)
    data = pictures_named(digits_recipe_of(lesson.run).data.name)
    if number is None:
        said, labels = lesson.test_verdicts
        chosen = np.flatnonzero(said != labels) if kind == "mistake" else np.arange(len(labels))
        if not len(chosen):
            raise Error(f"the network is right about all {len(labels):,} test pictures of {data.name}")
        number = int(random.choice(chosen))
    return _shown(lesson, example_picture(data, number))


@router.post("/lessons/{identity}/again")
def again(identity: str, request: Request) -> Response:
    """The same picture through the network as it is now, after steps of learning."""
    lesson = _lesson(request, identity)
    with lesson.lock:
        return _answer(lesson, look(lesson) if lesson.label is None else correct(lesson, lesson.label))


@router.post("/lessons/{identity}/label")
def label(identity: str, request: Request, chosen: Label) -> Response:
    """The right class is chosen: forward and backward."""
    lesson = _lesson(request, identity)
    with lesson.lock:
        return _answer(lesson, correct(lesson, chosen.label))


@router.post("/lessons/{identity}/steps")
def steps(identity: str, request: Request, learning: Learning) -> Response:
    """Steps of learning on the lesson's copy of the network."""
    lesson = _lesson(request, identity)
    with lesson.lock:
        return _answer(lesson, teach(lesson, Rule(learning.rule, learning.rate), learning.steps))


@router.post("/lessons/{identity}/reset")
def trained_again(identity: str, request: Request) -> Response:
    """The copy as the network was trained, and the picture through it again."""
    lesson = _lesson(request, identity)
    with lesson.lock:
        reset(lesson)
        return _answer(lesson, look(lesson) if lesson.label is None else correct(lesson, lesson.label))


@router.get("/lessons/{identity}/numbers")
def numbers(
    identity: str, request: Request, tensor: str, phase: Literal["forward", "backward", "update"] = "forward"
) -> Response:
    """All numbers of one tensor of the last pass."""
    return packed(*tensor_answer(_trace_of(_lesson(request, identity)), tensor, phase))


@router.get("/lessons/{identity}/cell")
def cell(
    identity: str, request: Request, cell: Annotated[str, Query(max_length=400)], terms: int = 6
) -> dict[str, Any]:
    """One number of the last pass with its arithmetic."""
    return _trace_of(_lesson(request, identity)).cell(cell).as_dict(max(1, min(terms, 100)))


@router.post("/lessons/{identity}/trace")
def kept_trace(identity: str, request: Request) -> dict[str, str]:
    """Put the last pass among the lab's traces, where each of its numbers can be asked for; its id there."""
    lesson = _lesson(request, identity)
    trace = _trace_of(lesson)
    about = {"model": lesson.run.path.name, "system": "digits", "training": False}
    asked = ("lesson", identity, id(trace))
    kept = request.app.state.lab.traces.record(lambda: Traced(trace, "", "", ""), asked, about)
    return {"id": kept.id}


def _shown(lesson: Lesson, prepared: Prepared) -> Response:
    with lesson.lock:
        return _answer(lesson, show(lesson, prepared))


def _answer(lesson: Lesson, trace: Trace) -> Response:
    return packed(*pass_answer(lesson, trace))


def _trace_of(lesson: Lesson) -> Trace:
    if lesson.trace is None:
        raise Error("there is no picture yet; draw a digit, or take one of the test set")
    return lesson.trace


def packed(header: dict[str, Any], arrays: list[Numbers]) -> Response:
    """A header in JSON and numbers behind it: four bytes with the header's length, which is a multiple of four, the
    header, and all numbers as little-endian float32."""
    text = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    content = [len(text).to_bytes(4, "little"), text, *(np.asarray(array, "<f4").tobytes() for array in arrays)]
    return Response(b"".join(content), media_type="application/octet-stream")
