"""A training as the page asks for it: checked as the command line checks it, and as that command's arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kqv.data.location import files_of, location_of
from kqv.data.registry import SOURCES
from kqv.errors import Error
from kqv.systems.changes import Changes
from kqv.systems.fields import fields_of
from kqv.systems.system import SYSTEMS, System, system_named
from kqv.training.plans import Recipe

Word = Annotated[str, Field(max_length=1000)]

FLAGS = {"learning_rate": "--lr"}
"""Flags of `kqv train` that are called otherwise than the change that they make."""


class ChangesAsked(BaseModel):
    """What is wanted other than the recipe has it; the bounds are those of the command's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    tokenizer: Word | None = None
    layers: int | None = Field(default=None, ge=0, le=1000)
    heads: int | None = Field(default=None, ge=1, le=1000)
    width: int | None = Field(default=None, ge=1, le=100_000)
    context: int | None = Field(default=None, ge=1, le=100_000)
    dropout: float | None = Field(default=None, ge=0, le=0.99)
    batch: int | None = Field(default=None, ge=1, le=1_000_000)
    learning_rate: float | None = None
    optimizer: Word | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    steps: int | None = Field(default=None, ge=1, le=10**9)


class TrainingAsked(BaseModel):
    """A new training: of which system, by which recipe, on which data, with which changes, for how long."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    system: Word
    recipe: Word | None = None
    data: Word | None = None
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    changes: ChangesAsked = ChangesAsked()


def checked(asked: TrainingAsked, own_data: bool = True) -> Recipe:
    """The recipe that will be trained; `Error` in one line for what cannot be. `own_data`: whether files and folders of
    this machine may be named."""
    system = system_named(asked.system)
    if asked.minutes is not None and asked.changes.steps is not None:
        raise Error("steps and minutes both say how long to train; give one of them")
    if asked.data is not None:
        check_data(asked.data, own_data)
    given = asked.changes.model_dump(exclude_none=True)
    return system.changed(system.recipe_named(asked.recipe), Changes(data=asked.data, **given))


def check_data(data: str, own_data: bool = True) -> None:
    """Raise `Error` for what is neither the name of a data set nor a file or folder that is there."""
    found = location_of(data)
    if found in SOURCES:
        return
    if not own_data:
        raise Error(f"there is no data set {data!r}; from another machine one of these: {', '.join(SOURCES)}")
    files = files_of(found)
    for file in [files] if isinstance(files, str) else files:
        if not os.path.exists(file):  # noqa: PTH110 - Path.exists raises for a name that is not allowed
            raise Error(f"there is no data {file!r}; give a name ({', '.join(SOURCES)}), or a file's or folder's path")


def arguments_of(asked: TrainingAsked, out: Path) -> list[str]:
    """The arguments of the command that trains it into a folder."""
    found = ["train", asked.system]
    options = {"recipe": asked.recipe, "data": asked.data, "minutes": asked.minutes}
    for name, value in {**options, **asked.changes.model_dump()}.items():
        if value is not None:
            found.append(f"{FLAGS.get(name, f'--{name}')}={value}")
    return [*found, f"--out={out}"]


def offered() -> list[dict[str, Any]]:
    """Every system with its recipes and what they have, and the data that it can be trained on."""
    return [_offered(system_named(name)) for name in SYSTEMS]


def _offered(system: System) -> dict[str, Any]:
    recipes = {name: make() for name, make in system.recipes.items()}
    return {
        "system": system.name,
        "unit": system.unit,
        "changes": _changes_of(system),
        "recipes": [_described(name, recipe, system) for name, recipe in recipes.items()],
    }


def _described(name: str, recipe: Recipe, system: System) -> dict[str, Any]:
    about = (system.recipes[name].__doc__ or "").strip().splitlines()
    fields = {path: value for path, value in fields_of(recipe).items() if value is not None}
    return {"name": name, "about": about[0] if about else "", "data": recipe.data.name, "fields": fields}


def _changes_of(system: System) -> list[str]:
    """The changes that a system's recipes know."""
    recipe, found = system.recipe_named(None), []
    tried = {
        "layers": 1, "heads": 1, "width": 32, "context": 32, "dropout": 0.1, "batch": 8, "learning_rate": 0.001,
        "optimizer": recipe.training.optimizer, "seed": 1, "steps": 10,
    }  # fmt: skip
    for name, value in tried.items():
        try:
            system.changed(recipe, Changes(**{name: value}))  # type: ignore[arg-type]
        except Error:
            continue
        found.append(name)
    return found
