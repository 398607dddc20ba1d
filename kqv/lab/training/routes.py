"""`/api/training`: thin over the plain functions beside this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from kqv.lab.rooms import Named, numbers, opened
from kqv.lab.state import Lab
from kqv.lab.training.asked import TrainingAsked, offered
from kqv.lab.training.looks import looks_of, pixels_of
from kqv.lab.training.room import TrainingRoom

router = APIRouter(prefix="/api/training")


class Further(Named):
    """A run that is to be trained further, perhaps up to another number of steps."""

    steps: int | None = Field(default=None, ge=1, le=10**9)


def room_of(request: Request) -> TrainingRoom:
    """The lab's training room."""

    def make(lab: Lab) -> TrainingRoom:
        return TrainingRoom(lab.runs_folder, lab.events.publish, own_data=lab.settings.is_loopback).open()

    return opened(request, "training", make)


@router.get("/systems")
def systems() -> list[dict[str, Any]]:
    """What can be trained: systems, their recipes, and what can be changed in them."""
    return offered()


@router.get("/runs")
def runs(request: Request) -> dict[str, Any]:
    """Every run in short."""
    room = room_of(request)
    return {"folder": str(room.folder), "runs": room.summaries()}


@router.post("/start")
def start(asked: TrainingAsked, request: Request) -> dict[str, Any]:
    """Start a training."""
    return room_of(request).start(asked)


@router.post("/stop")
def stop(run: Named, request: Request) -> dict[str, Any]:
    """Stop one; it saves everything."""
    return room_of(request).stop(run.name)


@router.post("/continue")
def resume(run: Further, request: Request) -> dict[str, Any]:
    """Resume one where it stopped."""
    return room_of(request).resume(run.name, run.steps)


@router.get("/runs/{name}")
def one_run(name: str, request: Request) -> dict[str, Any]:
    """All that can be said of a run."""
    return room_of(request).described(name)


@router.get("/runs/{name}/curve")
def curve(name: str, key: str, request: Request) -> Response:
    """One measurement: all steps, then all values."""
    return numbers(np.array(room_of(request).curve(name, key)))


@router.get("/runs/{name}/weights")
def weights(name: str, request: Request) -> dict[str, Any]:
    """Which weights there are, and at which steps they were seen."""
    history = room_of(request).history(name)
    history.look()
    return history.described()


@router.get("/runs/{name}/weights/spread")
def spread(name: str, tensor: str, request: Request) -> Response:
    """For each step that was seen: the step, and the quantiles of a tensor's weights."""
    return numbers(room_of(request).history(name).spread_of(tensor))


@router.get("/runs/{name}/weights/picture")
def picture(name: str, tensor: str, request: Request, step: int | None = None) -> Response:
    """The weights of a tensor at a step, row by row."""
    return numbers(room_of(request).history(name).picture_of(tensor, step))


@router.get("/runs/{name}/looks")
def looks(name: str, request: Request) -> dict[str, Any]:
    """What the run's model says now, of pictures or in words."""
    room = room_of(request)
    return looks_of(room.looks, room.run(name).run)


@router.get("/runs/{name}/pictures")
def pictures(name: str, which: str, request: Request) -> Response:
    """Held-out pictures by their numbers, with commas between them: brightness from 0 to 255."""
    wanted = [int(number) for number in which.split(",")[:100] if number.isdecimal() and len(number) < 10]
    return numbers(pixels_of(room_of(request).run(name).run, wanted))
