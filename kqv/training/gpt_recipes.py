"""Recipes of GPT: all that makes a run, typed, frozen, validated, each made by a named function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from kqv.errors import Error
from kqv.models.attention import channels_of
from kqv.models.feed_forward import Form
from kqv.models.gpt import Initialisation, Positions
from kqv.models.layers import Norm
from kqv.training.plans import Plan, TrainingPlan


class GPTPlan(Plan):
    """The parts of a GPT by their names in `kqv.models.gpt.GPT`; the vocabulary's size comes from the tokenizer.

    Unless said otherwise it has GPT-2's form. `model`: numbers for each token; `hidden`, `key_heads`, `channels`,
    `attention_bias` and `attention_dropout` follow from the others where they are None, and `dropout` from how often
    the text will be seen (`dropout_for`).
    """

    blocks: PositiveInt = 4
    heads: PositiveInt = 4
    model: PositiveInt = 128
    context: PositiveInt = 64
    bias: bool = False
    dropout: float | None = Field(default=0.0, ge=0, lt=1)
    positions: Positions = "learned"
    rotary_base: float = Field(default=10_000.0, gt=0)
    norm: Norm = "layer"
    epsilon: float = Field(default=1e-5, gt=0)
    feed_forward: Form = "gelu"
    hidden: PositiveInt | None = None
    query_key_norm: bool = False
    key_heads: PositiveInt | None = None
    channels: PositiveInt | None = None
    attention_bias: bool | None = None
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    tied: bool = True
    initialisation: Initialisation = "gpt2"

    @model_validator(mode="before")
    @classmethod
    def _older(cls, content: object) -> object:
        """Runs from before there were parts say `kind`."""
        if isinstance(content, dict) and content.get("kind") == "gpt2":
            return {name: value for name, value in content.items() if name != "kind"}
        return content

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> GPTPlan:
        key_heads = self.heads if self.key_heads is None else self.key_heads
        try:
            channels_of(self.model, self.heads, key_heads, self.channels, self.positions == "rotary")
        except Error as failure:
            raise ValueError(str(failure)) from None
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


def _qwen3(blocks: int, model: int, heads: int, context: int, hidden: int) -> GPTPlan:
    """Qwen3's parts, with what makes a short training short: projections that begin at zero, a head of its own."""
    return GPTPlan(
        blocks=blocks, model=model, heads=heads, context=context, hidden=hidden, positions="rotary",
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
    plan: GPTPlan
    batch: int


FITS = (
    Fit(20_000, _qwen3(blocks=3, model=96, heads=3, context=64, hidden=192), batch=16),
    Fit(200_000, _qwen3(blocks=4, model=96, heads=3, context=128, hidden=192), batch=16),
    Fit(5_000_000, _qwen3(blocks=4, model=128, heads=4, context=128, hidden=256), batch=16),
    Fit(50_000_000, _qwen3(blocks=4, model=192, heads=6, context=128, hidden=512), batch=16),
    Fit(math.inf, _qwen3(blocks=6, model=256, heads=8, context=256, hidden=768), batch=8),
)
"""From small texts, of which a large model would know every word by heart, to large ones."""

MINUTES = 2.0
"""How long the default recipe trains, unless it is told."""

MOST_EPOCHS = 40.0
"""Seen more often than this, a text is learned by heart, and what the model makes of another becomes worse."""

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

    `graphics`: a graphics processor trains the next larger size in the same time.
    """
    place = next(place for place, fit in enumerate(FITS) if size <= fit.most_bytes)
    fit = FITS[min(place + graphics, len(FITS) - 1)]
    training = _short(steps=1000, batch=fit.batch)
    extras = {"evaluate_every": 250, "most_epochs": MOST_EPOCHS, "keep_best": True, "sample_tokens": 60}
    model = fit.plan.model_copy(update={"dropout": None, "attention_dropout": 0.0})
    return GPTRecipe(name="gpt", model=model, data=TextPlan(), training=training.model_copy(update=extras))


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


def shakespeare_fast() -> GPTRecipe:
    """What nanoGPT's settings reach on tiny Shakespeare, in a fraction of the time."""
    return GPTRecipe(
        name="shakespeare-fast",
        model=_qwen3(blocks=4, model=96, heads=3, context=64, hidden=192),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=_short(steps=215, batch=12, momentum=0.85, adamw_learning_rate=0.015).model_copy(
            update={"evaluate_every": 215}
        ),
    )


def shakespeare_minute() -> GPTRecipe:
    """About the best that two cores make of tiny Shakespeare in the time of nanoGPT's 2,000 steps."""
    return GPTRecipe(
        name="shakespeare-minute",
        model=_qwen3(blocks=4, model=128, heads=4, context=256, hidden=256),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=_short(steps=740, batch=8).model_copy(update={"evaluate_every": 740}),
    )


def shakespeare_best() -> GPTRecipe:
    """The lowest loss on tiny Shakespeare in characters: larger, longer, and with dropout, since the text is seen nine
    times."""
    extras = {"weight_decay": 0.05, "keep_best": True, "evaluate_every": 500}
    plan = _short(steps=3000, batch=12).model_copy(update=extras)
    model = _qwen3(blocks=5, model=160, heads=5, context=256, hidden=320)
    return GPTRecipe(
        name="shakespeare-best",
        model=model.model_copy(update={"dropout": 0.15, "attention_dropout": 0.0}),
        data=TextPlan(name="shakespeare", tokenizer="characters"),
        training=plan,
    )


def shakespeare_large() -> GPTRecipe:
    """GPT-2's form with 10.7 million weights, as nanoGPT trains it on a graphics processor."""
    return GPTRecipe(
        name="shakespeare-large",
        model=GPTPlan(blocks=6, heads=6, model=384, context=256),
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
