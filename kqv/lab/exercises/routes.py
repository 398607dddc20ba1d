"""`/api/exercises`: thin over the workshop. What runs a learner's code is for pages on this machine alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from kqv.lab.exercises.described import described, overview
from kqv.lab.exercises.training import LearnersTraining
from kqv.lab.guard import PAGE_TOKEN
from kqv.lab.rooms import opened
from kqv.workshop import attempts, desk

router = APIRouter(prefix="/api/exercises")

LONGEST = 200_000
"""Characters that a learner's file may have."""


@dataclass
class Bench:
    """What the exercises keep while the lab runs: where the learner's files are, and the training."""

    folder: Path
    training: LearnersTraining
    writing: threading.Lock = field(default_factory=threading.Lock)
    """Files and progress are read and written by one request at a time."""

    def close(self) -> None:
        """Stop the training."""
        self.training.stop()


def bench_of(request: Request) -> Bench:
    """The lab's bench."""
    return opened(request, "bench", lambda lab: Bench(desk.DEFAULT, LearnersTraining(lab.events.publish)))


def on_this_machine(request: Request) -> None:
    """Refuse what would let others run code here: a lab that others can reach, and pages without its token."""
    settings = request.app.state.lab.settings
    if not settings.is_loopback:
        raise HTTPException(
            403, "others can reach this lab, so it runs no code from a page; start it without --host, or kqv rebuild"
        )
    if request.headers.get(PAGE_TOKEN) != settings.page_token:
        raise HTTPException(403, "code from a page needs the page's token; reload the page")


Here = Annotated[Bench, Depends(bench_of)]
WRITES = [Depends(on_this_machine)]


class Written(BaseModel):
    """A learner's file as a page has it; `before`: the SHA-256 of what the page was given."""

    text: str = Field(max_length=LONGEST)
    before: str = Field("", pattern="^([0-9a-f]{64})?$")


class Asked(BaseModel):
    """A training as a page asks for it."""

    data: str | None = Field(None, max_length=1000)
    epochs: int | None = Field(None, ge=1, le=100)


@router.get("")
def listed(request: Request, bench: Here) -> dict[str, Any]:
    """All exercises with the progress, the training, and whether a page may run code here."""
    own = request.app.state.lab.settings.is_loopback
    return overview(bench.folder) | {"training": bench.training.state, "runs code": own}


@router.get("/{name}")
def one(name: str, bench: Here) -> dict[str, Any]:
    """One exercise with what the learner wrote."""
    return described(name, bench.folder)


@router.post("/training/stop", dependencies=WRITES)
def stop(bench: Here) -> dict[str, Any]:
    """Stop the training."""
    bench.training.stop()
    return {"training": bench.training.state}


@router.post("/{name}/save", dependencies=WRITES)
def save(name: str, written: Written, bench: Here) -> dict[str, Any]:
    """Keep what was written; a version that somebody else wrote meanwhile is kept beside it."""
    with bench.writing:
        digest, kept = attempts.save(name, bench.folder, written.text, written.before)
    return {"digest": digest, "kept": None if kept is None else str(kept)}


@router.post("/{name}/check", dependencies=WRITES)
def check(name: str, written: Written, bench: Here) -> dict[str, Any]:
    """Keep what was written and check it, in a limited process."""
    with bench.writing:
        digest, kept = attempts.save(name, bench.folder, written.text, written.before)
        report, _ = attempts.checked(name, bench.folder)
    return attempts.as_dict(report) | {"digest": digest, "kept": None if kept is None else str(kept)}


@router.post("/{name}/hint", dependencies=WRITES)
def hint(name: str, bench: Here) -> dict[str, Any]:
    """Give the next hint away; the exercise anew."""
    with bench.writing:
        attempts.next_hint(name, bench.folder)
        return described(name, bench.folder)


@router.post("/{name}/reset", dependencies=WRITES)
def reset(name: str, bench: Here) -> dict[str, Any]:
    """Put the template back; what was there is kept beside it."""
    with bench.writing:
        _, kept = desk.reset(bench.folder, name)
        return described(name, bench.folder) | {"kept": None if kept is None else str(kept)}


@router.post("/{name}/train", dependencies=WRITES)
def train(name: str, asked: Asked, bench: Here) -> dict[str, Any]:
    """Train with the learner's functions; the page hears of it by the topic `exercises.training`."""
    return {"training": bench.training.start(name, bench.folder, asked.data, asked.epochs)}
