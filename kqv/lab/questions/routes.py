"""`/api/questions`: thin over the plain functions beside this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from kqv.errors import Error
from kqv.lab.questions.asked import QuestionAsked, saved
from kqv.lab.questions.room import QuestionsRoom
from kqv.lab.rooms import Named, numbers, opened
from kqv.lab.state import Lab
from kqv.lab.training.routes import room_of as training_of
from kqv.systems.fields import fields_of, shown
from kqv.systems.system import SYSTEMS, system_named

router = APIRouter(prefix="/api/questions")


def room_of(request: Request) -> QuestionsRoom:
    """The lab's room of questions, which stands on the training's."""
    training = training_of(request)

    def make(lab: Lab) -> QuestionsRoom:
        publish, children, alone = training.publish, training.children, lab.traces.alone
        return QuestionsRoom(training.folder, publish, children, alone, training.own_data).open()

    return opened(request, "questions", make)


@router.get("")
def questions(request: Request) -> dict[str, Any]:
    """Every question that was asked, in short, and those that can be asked by name."""
    return {"asked": room_of(request).summaries(), "saved": saved()}


@router.get("/fields")
def fields(system: str, recipe: str | None = None) -> dict[str, Any]:
    """What can be varied in a recipe: each field with its value there."""
    chosen = system_named(system)
    found = fields_of(chosen.recipe_named(recipe))
    return {"system": system, "systems": list(SYSTEMS), "recipes": list(chosen.recipes),
            "fields": {path: shown(value) for path, value in found.items()}}  # fmt: skip


@router.post("/start")
def start(asked: QuestionAsked, request: Request) -> dict[str, Any]:
    """Ask a question."""
    return room_of(request).start(asked)


@router.post("/stop")
def stop(question: Named, request: Request) -> dict[str, Any]:
    """Stop what answers one; it saves everything."""
    return room_of(request).stop(question.name)


@router.post("/continue")
def resume(question: Named, request: Request) -> dict[str, Any]:
    """Resume one where it stopped."""
    return room_of(request).resume(question.name)


@router.get("/{name}")
def one_question(name: str, request: Request) -> dict[str, Any]:
    """All that is known of a question."""
    return room_of(request).described(name)


@router.get("/{name}/line")
def line(name: str, part: int, line: int, request: Request) -> Response:
    """One line of a figure: epochs, values, and the lowest and highest over the seeds, one row each."""
    parts = room_of(request).parts(name)
    if not (0 <= part < len(parts) and 0 <= line < len(parts[part].lines)):
        raise Error(f"{name} has no line {line} in part {part}; ask anew which there are")
    found = parts[part].lines[line]
    low, high = found.band or (found.values, found.values)
    return numbers(np.array([found.epochs, found.values, low, high]))


@router.get("/{name}/attention")
def attention(name: str, request: Request) -> dict[str, Any]:
    """Which attention maps there are."""
    return room_of(request).attention(name).described()


@router.get("/{name}/attention/map")
def attention_map(name: str, variant: str, head: int, request: Request) -> Response:
    """The attention weights of a variant in a head, query by query."""
    return numbers(room_of(request).attention(name).map_of(variant, head))
