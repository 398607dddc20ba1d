"""Recipes of GPT: all that makes a run, typed, frozen, validated, each made by a named function."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from kqv.errors import Error
from kqv.training.plans import Plan, TrainingPlan


class GPTPlan(Plan):
    """GPT-2's form; the size of the vocabulary comes from the tokenizer. `model`: numbers for each token."""

    kind: Literal["gpt2"] = "gpt2"
    blocks: PositiveInt = 4
    heads: PositiveInt = 4
    model: PositiveInt = 128
    context: PositiveInt = 64
    bias: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> GPTPlan:
        if self.model % self.heads:
            raise ValueError(f"{self.heads} heads cannot share {self.model} numbers evenly")
        return self


class TextPlan(Plan):
    """Which text, and how it becomes tokens; `vocab`: how many tokens a trained vocabulary has."""

    name: str = "python-docs"
    tokenizer: Literal["auto", "characters", "bytes", "bpe", "gpt2"] = "auto"
    vocab: PositiveInt | None = None


class GPTRecipe(Plan):
    """A GPT."""

    system: Literal["gpt"] = "gpt"
    name: str
    model: GPTPlan
    data: TextPlan
    training: TrainingPlan


def gpt() -> GPTRecipe:
    """The default for any text: a small GPT that two cores train in about a minute."""
    return GPTRecipe(
        name="gpt",
        model=GPTPlan(),
        data=TextPlan(),
        training=TrainingPlan(
            learning_rate=2e-3, betas=(0.9, 0.99), weight_decay=0.1, schedule="cosine", warm_up=50, floor=0.05,
            clip=1.0, batch=12, steps=2000, evaluate_every=500,
        ),
    )  # fmt: skip


def nanogpt_cpu() -> GPTRecipe:
    """nanoGPT's published settings for a CPU, on tiny Shakespeare."""
    return GPTRecipe(
        name="nanogpt-cpu",
        model=GPTPlan(blocks=4, heads=4, model=128, context=64),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=TrainingPlan(
            learning_rate=1e-3, betas=(0.9, 0.99), weight_decay=0.1, schedule="cosine", warm_up=100, floor=0.1,
            clip=1.0, batch=12, steps=2000, evaluate_every=250,
        ),
    )  # fmt: skip


GPT_RECIPES = {"gpt": gpt, "nanogpt-cpu": nanogpt_cpu}
"""Recipes of GPT by name; the first is the default."""


def gpt_recipe(name: str | None) -> GPTRecipe:
    """A recipe by name; raise `Error` that lists the names for one that does not exist."""
    if name is None:
        return gpt()
    if name not in GPT_RECIPES:
        raise Error(f"there is no recipe {name!r} for gpt; choose one of: {', '.join(GPT_RECIPES)}")
    return GPT_RECIPES[name]()
