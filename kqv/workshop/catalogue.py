"""Which exercises there are: each file in `kqv/workshop/exercises` is one, and is found there."""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from kqv.errors import Error
from kqv.workshop import exercises as room
from kqv.workshop.exercise import Exercise


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the order in which they build on each other.

    Raises `ValueError` for a module among them that has no `EXERCISE` of its own name.
    """
    found = []
    for module in pkgutil.iter_modules(room.__path__):
        exercise = getattr(import_module(f"{room.__name__}.{module.name}"), "EXERCISE", None)
        if not isinstance(exercise, Exercise) or exercise.name != module.name:
            raise ValueError(f"exercises/{module.name} must define EXERCISE = Exercise(name={module.name!r}, …)")
        found.append(exercise)
    return {exercise.name: exercise for exercise in sorted(found, key=lambda each: (each.order, each.name))}


def names() -> list[str]:
    """The names of all exercises, in their order."""
    return list(exercises())


def require(name: str) -> str:
    """The name of an exercise as it is; `Error` that lists what there is for any other."""
    plain = name.strip().removesuffix(".py")
    if plain in exercises():
        return plain
    near = get_close_matches(plain, names(), 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise Error(f"there is no exercise {name!r}; {meant}there are: {', '.join(names())}")


def exercise(name: str) -> Exercise:
    """The exercise of this name. Raises `Error` for an unknown one."""
    return exercises()[require(name)]
