"""Recipes of the adder: a Transformer that is small enough to show every number of it on one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field, ValidatorFunctionWrapHandler, field_validator

from kqv.data.sums import MOST_DIGITS
from kqv.errors import Error
from kqv.models.architecture import Architecture
from kqv.training.plans import DataPlan, Recipe, TrainingPlan


class SumsPlan(DataPlan):
    """Which sums: of numbers of up to so many `digits`; `short` and `nines` as `kqv.data.sums.draw` has them.

    `validation`: how many held-out pairs are scored while training.
    """

    name: Literal["sums"] = "sums"
    digits: int = Field(ge=1, le=MOST_DIGITS)
    short: float = Field(default=0.2, ge=0, le=1)
    nines: float = Field(default=0.2, ge=0, le=1)
    validation: int = Field(default=1000, ge=1)


class AdderRecipe(Recipe):
    """A GPT that adds."""

    system: Literal["adder"] = "adder"
    name: str
    model: Architecture
    data: SumsPlan
    training: TrainingPlan

    @field_validator("model", mode="wrap")
    @classmethod
    def _read_architecture(cls, content: object, handler: ValidatorFunctionWrapHandler) -> Architecture:
        try:
            return handler(content)  # type: ignore[no-any-return]
        except Error as failure:
            raise ValueError(str(failure)) from None


def _adder(digits: int, steps: int, batch: int) -> AdderRecipe:
    """One block without biases; digits of a column have the same position in all three numbers, by the period."""
    return AdderRecipe(
        name=f"adder-{digits}",
        model=Architecture(
            context=3 * digits + 2, blocks=1, bias=False, positions="periodic", period=digits + 1, norm="rms",
            feed_forward="gelu", query_key_norm=True, initialisation="unit", width=8, heads=2, channels=4,
            hidden=16,
        ),
        data=SumsPlan(digits=digits),
        training=TrainingPlan(
            learning_rate=0.03, betas=(0.9, 0.99), schedule="trapezoid", decay=0.5, warm_up=50, clip=1.0, batch=batch,
            steps=steps, evaluate_every=max(1, steps // 10),
        ),
    )  # fmt: skip


def adder_2() -> AdderRecipe:
    """Numbers of two digits, in seconds."""
    return _adder(2, steps=2500, batch=128)


def adder_3() -> AdderRecipe:
    """Numbers of three digits, in seconds."""
    return _adder(3, steps=2500, batch=128)


def adder_10() -> AdderRecipe:
    """Numbers of ten digits, in less than a minute."""
    return _adder(10, steps=2500, batch=64)


ADDER_RECIPES: dict[str, Callable[[], AdderRecipe]] = {"adder-2": adder_2, "adder-3": adder_3, "adder-10": adder_10}
"""Recipes of the adder by name; the first is the default."""


def adder_recipe(name: str | None) -> AdderRecipe:
    """A recipe by name; raise `Error` that lists the names for one that does not exist."""
    if name is None:
        return adder_2()
    if name not in ADDER_RECIPES:
        raise Error(f"there is no recipe {name!r} for adder; choose one of: {', '.join(ADDER_RECIPES)}")
    return ADDER_RECIPES[name]()
