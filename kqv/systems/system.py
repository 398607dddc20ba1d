"""What a system is (digits, adder, gpt, translate), and the table of all: whoever adds one adds a folder and a line.

Models that are not trained here, such as encoders, are of a kind that can less than a system.
"""

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
from kqv.systems.sketch import Sketch
from kqv.systems.source import ModelSource
from kqv.systems.writing import Tell, Writing
from kqv.trace.trace import Trace
from kqv.training.distributed import Group
from kqv.training.launch import Prepared
from kqv.training.loop import Trainer
from kqv.training.plans import Recipe
from kqv.training.run import Run
from kqv.why.why import Why

SYSTEMS = {
    "digits": "kqv.systems.digits.system",
    "adder": "kqv.systems.adder.system",
    "gpt": "kqv.systems.gpt.system",
    "translate": "kqv.systems.translation.system",
}
"""Each system's name, and the module whose `SYSTEM` it is; imported when it is first used."""

OTHER_KINDS = {"encoder": "kqv.systems.encoder.kind"}
"""The kinds of models that no system trains, and the module whose `KIND` it is."""


class Watcher:
    """Who is told of what takes long before a training, an evaluation or a trace; by default nobody."""

    downloading: Progress | None = None
    """Makes a bar for each download."""

    def learning_tokenizer(self, text_bytes: int) -> None:
        """A vocabulary of byte pairs is being learned from so much text."""

    def tokenizing(self) -> AbstractContextManager[Advance | None]:
        """A text is cut into tokens inside; what it gives is told how far it is."""
        return nullcontext()

    def translating(self) -> AbstractContextManager[Advance | None]:
        """Sentences are translated inside; what it gives is told how many are done of how many."""
        return nullcontext()

    def tracing(self, size: int, whole: bool) -> None:
        """A trace of a long text begins, which will hold so many bytes: a `whole` one, or of single cells alone."""


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
    picture, whether dropout is to be active, a text that an encoder's is compared to, and whether the pass is to be
    followed back from the cost too: of a GPT, which can be large, the forward pass alone takes a third of the time.

    `cells`: the numbers that alone are asked for; a large model then records no more than they need."""

    input: str | None = None
    label: str | None = None
    training: bool = False
    like: str | None = None
    backward: bool = True
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Traced:
    """A trace, what is to be said of it, and cells to look at as options of `kqv trace`.

    `input`: what was traced, as one would ask for it. `folds`: its blocks are alike, so that one stands for all.
    `picture[row, column]`: what a recogniser looked at. `everything`: it is so small that a page shows each of its
    numbers. `own_input`: where the input is from if none was asked for.
    """

    trace: Trace
    heading: str
    example: str
    input: str
    folds: bool = False
    picture: npt.NDArray[np.uint8] | None = None
    everything: bool = False
    own_input: str = "the held-out text's beginning"


@dataclass(frozen=True)
class EvaluationAsked:
    """An evaluation as somebody asks for it: which `split`, or other `data`; with the last weights or the `best`.

    `beams`, `length_penalty`: of a model that searches for its output, instead of its recipe's. `others`: models whose
    probabilities are averaged with its.
    """

    data: str | None = None
    split: str = "test"
    best: bool = False
    device: str = "auto"
    beams: int | None = None
    length_penalty: float | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """Scores of a model over a whole set: as numbers by name, and in a sentence; of pictures with every verdict."""

    scores: dict[str, Any]
    sentence: str
    pictures: PictureEvaluation | None = None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of trained models, wherever they are from, and what can be done with them.

    `load(source, best)`: a trained model. `trace(source, asked, watcher)`, `evaluate(source, asked, watcher)`: as their
    commands. `why(loaded, text, label)`: a loaded model to be asked why, on a text and, where it translates, a right
    translation; None where it reads no text. `read(source, loaded, asked)`: `trace` with a loaded model, whose weights
    the update changes; None where it reads no text. `write(loaded, text, how, tell)`: what it writes after a text, or
    as its translation; None where it writes none. `sketch(source)`: the model by its sizes; no weights are read.
    `searches`: whether what a model says is searched for, with beams; `compares`: whether two texts can be compared;
    `joins`: whether several models can be scored together, as an ensemble.
    """

    name: str
    load: Callable[[ModelSource, bool], Any]
    trace: Callable[[ModelSource, TraceAsked, Watcher], Traced]
    evaluate: Callable[[ModelSource, EvaluationAsked, Watcher], Evaluated]
    sketch: Callable[[ModelSource], Sketch]
    why: Callable[[Any, str, str | None], Why] | None = None
    read: Callable[[ModelSource, Any, TraceAsked], Traced] | None = None
    write: Callable[[Any, str, Writing, Tell], str] | None = None
    searches: bool = False
    compares: bool = False
    joins: bool = False


@dataclass(frozen=True, kw_only=True)
class System(Kind):
    """One of the systems: a kind of models that is trained here.

    `unit`: what it learns from, for speeds. `changed(recipe, changes)`: the recipe with what is wanted other than it
    has it; `Error` for what cannot be. `plan(asked, group, watcher)`: a new training; `resume(run, data, group,
    watcher)`: what prepares one that stopped, with its data where it is now. `epoch(run)`: in how many steps the run
    sees each example once. `next_steps(path)`: what can be done with a run, as commands by what they are for.
    `score(recipe)`: the name of the score that decides which of two models is better. `sketch_recipe(recipe)`: the
    model that a recipe will make, by its sizes.
    """

    unit: str
    recipe: type[Recipe]
    recipes: Mapping[str, Callable[[], Recipe]]
    changed: Callable[[Any, Changes], Recipe]
    plan: Callable[[Asked, Group, Watcher], Planned]
    resume: Callable[[Run, str | None, Group, Watcher], Callable[[Recipe], Prepared]]
    epoch: Callable[[Run], float]
    next_steps: Callable[[Path], dict[str, str]]
    score: Callable[[Recipe], str]
    sketch_recipe: Callable[[Recipe], Sketch]

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


def kind_named(name: str) -> Kind:
    """The kind of models of that name: a system, or one that none trains. Raises `Error` as `system_named`."""
    if name not in OTHER_KINDS:
        return system_named(name)
    found: Kind = import_module(OTHER_KINDS[name]).KIND
    return found
