"""Recipes of GPT: all that makes a run, typed, frozen, validated, each made by a named function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import ConfigDict, PositiveInt, ValidatorFunctionWrapHandler, field_validator

from kqv.errors import Error
from kqv.models.architecture import Architecture
from kqv.training.plans import DataPlan, Recipe, TrainingPlan


class TextPlan(DataPlan):
    """Which text, and how it becomes tokens; `vocab`: how many tokens a trained vocabulary has."""

    name: str = "python-docs"
    tokenizer: Literal["auto", "characters", "bytes", "bpe", "gpt2"] = "auto"
    vocab: PositiveInt | None = None


class GPTRecipe(Recipe):
    """A GPT; where its dropout is None, it follows from how often the text will be seen (`dropout_for`)."""

    model_config = ConfigDict(extra="forbid")

    system: Literal["gpt"] = "gpt"
    name: str
    model: Architecture
    data: TextPlan
    training: TrainingPlan

    @field_validator("model", mode="wrap")
    @classmethod
    def _read_architecture(cls, content: object, handler: ValidatorFunctionWrapHandler) -> Architecture:
        """An architecture that is whole; in older runs the width is called `model`, and some say `kind`."""
        if isinstance(content, dict):
            content = {"width" if name == "model" else name: value for name, value in content.items()}
            if content.get("kind") == "gpt2":
                del content["kind"]
        try:
            return handler(content)  # type: ignore[no-any-return]
        except Error as failure:
            raise ValueError(str(failure)) from None


def _qwen3(blocks: int, width: int, heads: int, context: int, hidden: int) -> Architecture:
    """Qwen3's parts, with what makes a short training short: projections that begin at zero, a head of its own."""
    return Architecture(
        blocks=blocks, width=width, heads=heads, context=context, hidden=hidden, bias=False, positions="rotary",
        rotary_base=1000.0, norm="rms", epsilon=1e-6, feed_forward="swiglu", query_key_norm=True, tied=False,
        initialisation="zero-projections",
    )  # fmt: skip


def _short(steps: int, batch: int, momentum: float = 0.95, adamw_learning_rate: float = 0.01) -> TrainingPlan:
    """What pays in short trainings: Muon, and a learning rate that falls to zero over the second half."""
    return TrainingPlan(
        optimizer="muon", learning_rate=0.03, momentum=momentum, adamw_learning_rate=adamw_learning_rate,
        betas=(0.9, 0.95), schedule="trapezoid", decay=0.5, warm_up=2, batch=batch, steps=steps,
        evaluate_every=max(1, steps // 4),
    )  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """The sizes for texts up to so many bytes, found on two cores with a few minutes of training."""

    most_bytes: float
    plan: Architecture
    batch: int


FITS = (
    Fit(20_000, _qwen3(blocks=3, width=96, heads=3, context=64, hidden=192), batch=16),
    Fit(200_000, _qwen3(blocks=4, width=96, heads=3, context=128, hidden=192), batch=16),
    Fit(5_000_000, _qwen3(blocks=4, width=128, heads=4, context=128, hidden=256), batch=16),
    Fit(50_000_000, _qwen3(blocks=4, width=192, heads=6, context=128, hidden=512), batch=16),
    Fit(math.inf, _qwen3(blocks=6, width=256, heads=8, context=256, hidden=768), batch=8),
)
"""From small texts, which a large model would overfit, to large ones."""

MINUTES = 2.0
"""How long the default recipe trains, unless it is told."""

MOST_EPOCHS = 40.0
"""Seen more often than this, a text is overfitted: the loss on held-out text rises."""

KNOWN_EPOCHS = 4.0  # a text seen as often as this needs no dropout yet: it costs more than it gains
MOST_DROPOUT = 0.2


def dropout_for(epochs: float) -> float:
    """How much dropout suits a text that is seen so often: 0.15 for each doubling beyond four times, up to 0.2.

    In steps of 0.05; found with four texts and trainings of a few minutes (docs/log.md).
    """
    doublings = math.log2(max(epochs, KNOWN_EPOCHS) / KNOWN_EPOCHS)
    return min(MOST_DROPOUT, round(round(3 * doublings) * 0.05, 2))


def gpt(size: int = 0, graphics: bool = False) -> GPTRecipe:
    """The default for a text of `size` bytes: Qwen3's parts, in the size that learns most of it in a few minutes.

    `graphics`: a GPU trains the next larger size in the same time.
    """
    position = next(position for position, fit in enumerate(FITS) if size <= fit.most_bytes)
    fit = FITS[min(position + graphics, len(FITS) - 1)]
    training = _short(steps=1000, batch=fit.batch)
    extras = {"evaluate_every": 250, "most_epochs": MOST_EPOCHS, "keep_best": True, "sample_tokens": 60}
    model = replace(fit.plan, dropout=None, attention_dropout=0.0)
    return GPTRecipe(name="gpt", model=model, data=TextPlan(), training=training.model_copy(update=extras))


def nanogpt_cpu() -> GPTRecipe:
    """nanoGPT's published settings for a CPU, on tiny Shakespeare."""
    return GPTRecipe(
        name="nanogpt-cpu",
        model=Architecture(blocks=4, heads=4, width=128, context=64, bias=False),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=TrainingPlan(
            learning_rate=1e-3, betas=(0.9, 0.99), weight_decay=0.1, schedule="cosine", warm_up=100, floor=0.1,
            clip=1.0, batch=12, steps=2000, evaluate_every=250,
        ),
    )  # fmt: skip


def shakespeare_fast() -> GPTRecipe:
    """What nanoGPT's settings reach on tiny Shakespeare, in a fraction of the time."""
    return GPTRecipe(
        name="shakespeare-fast",
        model=_qwen3(blocks=4, width=96, heads=3, context=64, hidden=192),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=_short(steps=215, batch=12, momentum=0.85, adamw_learning_rate=0.015).model_copy(
            update={"evaluate_every": 215}
        ),
    )


def shakespeare_minute() -> GPTRecipe:
    """About the best that two cores make of tiny Shakespeare in the time of nanoGPT's 2,000 steps."""
    return GPTRecipe(
        name="shakespeare-minute",
        model=_qwen3(blocks=4, width=128, heads=4, context=256, hidden=256),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=_short(steps=740, batch=8).model_copy(update={"evaluate_every": 740}),
    )


def shakespeare_best() -> GPTRecipe:
    """The lowest loss on tiny Shakespeare in characters: larger, longer, and with dropout, since the text is seen nine
    times."""
    extras = {"weight_decay": 0.05, "keep_best": True, "evaluate_every": 500}
    plan = _short(steps=3000, batch=12).model_copy(update=extras)
    model = _qwen3(blocks=5, width=160, heads=5, context=256, hidden=320)
    return GPTRecipe(
        name="shakespeare-best",
        model=replace(model, dropout=0.15, attention_dropout=0.0),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=plan,
    )


def shakespeare_large() -> GPTRecipe:
    """GPT-2's architecture with 10.7 million weights, as nanoGPT trains it on a GPU."""
    return GPTRecipe(
        name="shakespeare-large",
        model=Architecture(blocks=6, heads=6, width=384, context=256, bias=False),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=TrainingPlan(
            learning_rate=1e-3, betas=(0.9, 0.99), weight_decay=0.1, schedule="cosine", warm_up=100, floor=0.1,
            clip=1.0, batch=16, steps=5000, evaluate_every=5000,
        ),
    )  # fmt: skip


GPT_RECIPES: dict[str, Callable[[], GPTRecipe]] = {
    "gpt": gpt,
    "nanogpt-cpu": nanogpt_cpu,
    "shakespeare-fast": shakespeare_fast,
    "shakespeare-minute": shakespeare_minute,
    "shakespeare-best": shakespeare_best,
    "shakespeare-large": shakespeare_large,
}
"""Recipes of GPT by name; the first is the default."""


def gpt_recipe(name: str | None) -> GPTRecipe:
    """A recipe by name; raise `Error` that lists the names for one that does not exist."""
    if name is None:
        return gpt()
    if name not in GPT_RECIPES:
        raise Error(f"there is no recipe {name!r} for gpt; choose one of: {', '.join(GPT_RECIPES)}")
    return GPT_RECIPES[name]()
