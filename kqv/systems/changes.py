"""What somebody wants other than a recipe has it: size, learning rate, seed and the like, validated with the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from pydantic import ValidationError

from kqv.errors import Error
from kqv.training.optimizers import optimizer_named
from kqv.training.parsing import one_line
from kqv.training.plans import Recipe, TrainingPlan

Kind = TypeVar("Kind", bound=Recipe)
_PARTS = re.compile(r"^(training|data|model)(\.(feed-forward|convolutional))?(\.|: )")  # in front of a field's name


@dataclass(frozen=True)
class Changes:
    """Changes to a recipe; what is None stays as the recipe has it.

    `data`: its name or path; `tokenizer` and `vocab`: of texts; of pairs `source` and `target` (languages), `form`,
    `bpe_dropout`, `r_drop`, and `teacher`, whose translations are trained on: a run's name, several, or with what else
    it takes as a mapping.
    `layers`, `heads`, `width`, `context`, `dropout`: the model's.
    `batch`, `learning_rate`, `optimizer`, `precision`, `compile`, `seed`, `steps`: the training's.
    """

    data: str | None = None
    tokenizer: str | None = None
    vocab: int | None = None
    source: str | None = None
    target: str | None = None
    form: str | None = None
    bpe_dropout: float | None = None
    r_drop: float | None = None
    teacher: str | Sequence[str] | Mapping[str, Any] | None = None
    layers: int | None = None
    heads: int | None = None
    width: int | None = None
    context: int | None = None
    dropout: float | None = None
    batch: int | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    precision: str | None = None
    compile: bool | None = None
    seed: int | None = None
    steps: int | None = None

    def given(self, *names: str) -> dict[str, Any]:
        """Those of these names that are given; without names, all that are."""
        wanted = names or [field.name for field in fields(self)]
        return {name: getattr(self, name) for name in wanted if getattr(self, name) is not None}

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Raise `Error` where one of these is given."""
        wrong = self.given(*names)
        if wrong:
            raise Error(f"{why}; leave out {' and '.join(wrong)}")


def changed(recipe: Kind, changes: Changes, model: Mapping[str, Any] | None = None) -> Kind:
    """The recipe with the changes; `model`: what of them its system makes of the model's part.

    Raises `Error` that names the first one that cannot be, and says why.
    """
    content = recipe.model_dump()
    content["model"] |= model or {}
    content["data"] |= {"name": changes.data} if changes.data is not None else {}
    content["data"] |= changes.given("tokenizer", "vocab", "source", "target", "form", "bpe_dropout", "teacher")
    content |= {"loss": content["loss"] | changes.given("r_drop")} if changes.r_drop is not None else {}
    content["training"] |= _of_training(recipe.training, changes)
    try:
        return type(recipe).model_validate(content)
    except ValidationError as failure:
        message = one_line(failure)
        for part in (
            "training.",
            "data.",
            "model.feed-forward.",
            "model.convolutional.",
            "model.",
            "training: ",
            "model: ",
        ):
            message = message.removeprefix(part)
        raise Error(message.removeprefix("value error, ")) from None


def _of_training(plan: TrainingPlan, changes: Changes) -> dict[str, Any]:
    content: dict[str, Any] = _with_optimizer(plan, changes.optimizer)
    return content | changes.given("seed", "steps", "batch", "learning_rate", "precision", "compile")


def _with_optimizer(plan: TrainingPlan, name: str | None) -> dict[str, Any]:
    """Another optimizer with the settings that it needs; its learning rate is the usual one for it, unless the recipe
    has one: Muon's recipes have AdamW's too."""
    if name is None or name == plan.optimizer:
        return {}
    entry = optimizer_named(name)
    content: dict[str, Any] = {"optimizer": name, "learning_rate": entry.learning_rate, "adamw_learning_rate": None}
    content["momentum"] = entry.momentum
    if entry.beside_adamw:
        return content | {"adamw_learning_rate": plan.learning_rate}
    if name == "adamw" and plan.adamw_learning_rate is not None:
        content["learning_rate"] = plan.adamw_learning_rate
    return content
