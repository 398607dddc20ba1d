"""What an experiment is: variants of a recipe side by side, and what of them is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.systems.digits.recipes import DigitsRecipe


@dataclass(frozen=True)
class Variant:
    """One of the trainings, with what is different in it."""

    label: str
    recipe: DigitsRecipe


@dataclass(frozen=True)
class Panel:
    """One part of the figure: measurements of metrics.jsonl by epoch.

    Either one line for each variant and key; or, where `keys` are the beginnings of names, a part for each variant with
    one line for each measurement (`each_variant`).
    """

    title: str
    keys: tuple[str, ...]
    unit: str
    each_variant: bool = False
    logarithmic: bool = False


@dataclass(frozen=True)
class Experiment:
    """A question that a figure answers."""

    name: str
    question: str
    answer: str
    variants: tuple[Variant, ...]
    panels: tuple[Panel, ...]
