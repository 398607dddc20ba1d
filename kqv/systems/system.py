"""What a system is (digits, gpt), and the table of all: whoever adds one adds a folder, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kqv.data.download import Progress
from kqv.data.text.tokens import Advance
from kqv.errors import Error
from kqv.evaluation.pictures import PictureEvaluation
from kqv.systems.changes import Changes
from kqv.systems.source import ModelSource
from kqv.trace.trace import Trace
from kqv.training.distributed import Group
from kqv.training.launch import Prepared
from kqv.training.loop import Trainer
from kqv.training.plans import Recipe
from kqv.training.run import Run

SYSTEMS = {"digits": "kqv.systems.digits.system", "gpt": "kqv.systems.gpt.system"}
"""Each system's name, and the module whose `SYSTEM` it is; imported when it is first used."""


class Watcher:
    """Who is told of what takes long before a training, an evaluation or a trace; by default nobody."""

    downloading: Progress | None = None
    """Makes a bar for each download."""

    def learning_tokenizer(self, text_bytes: int) -> None:
        """A vocabulary of byte pairs is being learned from so much text."""

    def tokenizing(self) -> AbstractContextManager[Advance | None]:
        """A text is cut into tokens inside; what it gives is told how far it is."""
        return nullcontext()


@dataclass(frozen=True)
class Asked:
    """A training as somebody asks for it.

    `recipe`: its name, or the recipe itself; `weights_from`: a model whose weights it starts from; `minutes`: how long,
    instead of the recipe's steps.
    """

    recipe: str | Recipe | None = None
    changes: Changes = field(default_factory=Changes)
    weights_from: str | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Planned:
    """What a system makes of it: the whole recipe, and what puts model and data together.

    `description`: of the data, in words; `notes(trainer)`: what else somebody who trains should know.
    """

    recipe: Recipe
    prepare: Callable[[], Prepared]
    description: str
    minutes: float | None = None
    weights_from: str | None = None
    notes: Callable[[Trainer], list[str]] = lambda trainer: []


@dataclass(frozen=True)
class TraceAsked:
    """A trace as somebody asks for it: its input as a word (each system says what that can be), the right label of a
    picture, and whether dropout is to be active."""

    input: str | None = None
    label: str | None = None
    training: bool = False


@dataclass(frozen=True)
class Traced:
    """A trace, what is to be said of it, and cells to look at as options of `kqv trace`.

    `input`: what was traced, as one would ask for it. `folds`: its blocks are alike, so that one stands for all.
    `picture[row, column]`: what a recogniser looked at.
    """

    trace: Trace
    heading: str
    example: str
    input: str
    folds: bool = False
    picture: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Evaluated:
    """Scores of a model over a whole set: as numbers by name, and in a sentence; of pictures with every verdict."""

    scores: dict[str, Any]
    sentence: str
    pictures: PictureEvaluation | None = None


@dataclass(frozen=True)
class System:
    """One of the systems, and what can be done with its models.

    `unit`: what it learns from, for speeds. `plan(asked, group, watcher)`: a new training; `resume(run, data, group,
    watcher)`: what prepares one that stopped, with its data where it is now. `load(source, best)`: a trained model.
    `trace(source, asked, watcher)`, `evaluate(source, data, split, best, device, watcher)`: as their commands.
    `epoch(run)`: in how many steps the run sees each example once. `next_steps(path)`: what can be done with a run,
    as commands by what they are for.
    """

    name: str
    unit: str
    recipe: type[Recipe]
    recipes: Mapping[str, Callable[[], Recipe]]
    plan: Callable[[Asked, Group, Watcher], Planned]
    resume: Callable[[Run, str | None, Group, Watcher], Callable[[Recipe], Prepared]]
    load: Callable[[ModelSource, bool], Any]
    trace: Callable[[ModelSource, TraceAsked, Watcher], Traced]
    evaluate: Callable[[ModelSource, str | None, str, bool, str, Watcher], Evaluated]
    epoch: Callable[[Run], float]
    next_steps: Callable[[Path], dict[str, str]]

    def recipe_named(self, name: str | None) -> Recipe:
        """A recipe by name, the default one without; `Error` that lists the names for one that does not exist."""
        if name is None:
            return next(iter(self.recipes.values()))()
        if name not in self.recipes:
            raise Error(f"there is no recipe {name!r} for {self.name}; choose one of: {', '.join(self.recipes)}")
        return self.recipes[name]()


def system_named(name: str) -> System:
    """A system by name; `Error` that lists the names for one that does not exist."""
    if name not in SYSTEMS:
        raise Error(f"there is no system {name!r}; choose one of: {', '.join(SYSTEMS)}")
    found: System = import_module(SYSTEMS[name]).SYSTEM
    return found
