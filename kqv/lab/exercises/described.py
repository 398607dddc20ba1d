"""Exercises as a page shows them: the list with the progress, and one with all that is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kqv.workshop import attempts, progress
from kqv.workshop.catalogue import exercise
from kqv.workshop.desk import option
from kqv.workshop.exercise import Function, Value
from kqv.workshop.progress import Record
from kqv.workshop.template import solution, template


def overview(folder: Path) -> dict[str, Any]:
    """All exercises with how far the learner has come, and which one comes next."""
    return progress.summary(progress.read(folder), folder)


def described(name: str, folder: Path) -> dict[str, Any]:
    """One exercise: its task, its functions, the hints that were asked for, and what the learner wrote.

    The solution is there once the exercise is passed, or all hints are known.
    """
    chosen, known = exercise(name), progress.read(folder)
    record = known.exercises.get(chosen.name, Record())
    text, digest = attempts.read(chosen.name, folder)
    shows_solution = bool(record.passed) or record.hints >= len(chosen.hints)
    return {
        "name": chosen.name,
        "title": chosen.title,
        "task": chosen.task,
        "source": chosen.source,
        "part": chosen.training.part,
        "state": known.state(chosen.name, folder),
        "accuracy": record.accuracy,
        "data": record.data,
        "functions": [_function(function) for function in chosen.functions],
        "hints": list(chosen.hints[: record.hints]),
        "more hints": len(chosen.hints) - record.hints,
        "solution": solution(chosen) if shows_solution else None,
        "text": text,
        "digest": digest,
        "file": str(folder / f"{chosen.name}.py"),
        "template": template(chosen, option(folder)),
    }


def _function(function: Function) -> dict[str, Any]:
    return {
        "call": function.call,
        "formula": function.formula.split(";  "),
        "takes": [_value(value) for value in function.takes],
        "gives": [_value(value) for value in function.gives],
    }


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name, "axes": value.axes, "many": value.many, "note": value.note, "meaning": value.meaning,
        "shape": value.shape_text,
    }  # fmt: skip
