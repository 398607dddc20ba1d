"""A question: which recipe, what is varied in it, with how many seeds; as it is typed, saved in a file, or written in
Python."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from kqv.errors import Error
from kqv.files import parsed_json, reason
from kqv.files.reading import read_text
from kqv.systems.fields import path_of, read, shown, value_of
from kqv.systems.system import SYSTEMS
from kqv.training.parsing import one_line
from kqv.training.plans import Plan, Recipe

Settings = dict[str, Any]
LONGEST_NAME = 120  # bytes; file systems take 255, and the seed comes behind it
MOST_VARIANTS = 1_000
"""More than anybody trains, and few enough to be listed."""


class Panel(Plan):
    """A part of the figure: measurements of metrics.jsonl by step.

    Either one line for each variant and key; or, where `keys` are the beginnings of names, a part for each variant with
    one line for each measurement (`each_variant`).
    """

    title: str
    keys: tuple[str, ...]
    unit: str
    each_variant: bool = False
    logarithmic: bool = False


class Question(Plan):
    """What is compared: the variants of a recipe, each trained with the seeds 1, 2, 3, …

    `recipes`: by name; several are variants themselves. `base`: what all have different from the recipe, by field.
    `vary`: fields with their values, of which every combination is a variant; the first value is the baseline's, or
    where there is but one, the recipe's own. `variants`: instead, each by its name with its settings. `score`: what
    decides; None for the system's main score. `question` and `explanation` are said with the answer.
    """

    system: str
    name: str = ""
    question: str = ""
    explanation: str = ""
    recipes: tuple[str, ...] = ()
    data: str | None = None
    base: Settings = Field(default_factory=dict)
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    variants: dict[str, Settings] = Field(default_factory=dict)
    seeds: PositiveInt = 5
    steps: PositiveInt | None = None
    minutes: PositiveFloat | None = None
    score: str | None = None
    panels: tuple[Panel, ...] = ()

    @model_validator(mode="after")
    def _something_is_compared(self) -> Question:
        if self.system not in SYSTEMS:
            raise ValueError(f"there is no system {self.system!r}; choose one of: {', '.join(SYSTEMS)}")
        if self.steps is not None and self.minutes is not None:
            raise ValueError("steps and minutes both say how long to train; give one of them")
        if self.variants and (self.vary or len(self.recipes) > 1):
            raise ValueError("variants by name are all that is compared; leave out vary and further recipes")
        if not self.variants and not self.vary and len(self.recipes) < 2:
            raise ValueError("nothing is varied; say what with --vary FIELD=A,B or --recipe A,B")
        if len(self.variants) == 1:
            raise ValueError("there is but one variant; give at least two")
        return self

    def same_as(self, other: Question) -> bool:
        """Whether the same runs answer it, perhaps more or fewer of them: seeds, score and words may differ."""
        words = {"name", "question", "explanation", "panels", "seeds", "score"}
        return self.model_dump(exclude=words) == other.model_dump(exclude=words)

    @property
    def folder_name(self) -> str:
        """`compare-gpt-score`, `compare-slow-learning`."""
        varied = [*(["recipe"] if len(self.recipes) > 1 else []), *(name.rpartition(".")[2] for name in self.vary)]
        return slug("-".join(["compare", self.name or "-".join([self.system, *varied])]))


def make_question(content: dict[str, Any], origin: str = "") -> Question:
    """A question of what was typed or read; `Error` in one line that names the field that is wrong."""
    try:
        return Question.model_validate(content)
    except ValidationError as failure:
        where = f"{origin}: " if origin else ""
        raise Error(f"{where}{one_line(failure).removeprefix('value error, ')}") from None


def read_question(path: Path) -> Question:
    """A question that was saved as JSON or TOML; `Error` for a file that holds none."""
    try:
        text = read_text(path)
    except OSError as failure:
        raise Error(f"{path} cannot be read: {reason(failure)}") from None
    except UnicodeDecodeError:
        raise Error(f"{path} is no text; a question is a file of JSON or TOML") from None
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else parsed_json(text)
    except (ValueError, RecursionError) as failure:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise Error(f"{path} holds no question: it is not {kind} ({failure})") from None
    if not isinstance(content, dict):
        raise Error(f"{path} holds no question: expected an object, got a {type(content).__name__}")
    return make_question(content, str(path))


class Variant(Plan):
    """One of the worlds that are compared: its name, the recipe's name (None for the system's default), and what is
    different in it, by path."""

    label: str
    recipe: str | None
    settings: Settings

    @property
    def slug(self) -> str:
        """Its name as that of a folder."""
        return slug(self.label)


def variants_of(question: Question, recipes: dict[str | None, Recipe]) -> tuple[Variant, ...]:
    """The variants, the baseline first; `recipes` has each recipe that the question names (None: the default).

    Raises `Error` for a field that does not exist, for values that are given twice, and for a single variant.
    """
    names: tuple[str | None, ...] = question.recipes or (None,)
    count = len(question.variants) or len(names) * math.prod(map(len, question.vary.values()))
    if count > MOST_VARIANTS:
        raise Error(f"that makes {count:,} variants; at most {MOST_VARIANTS:,} are compared: vary fewer fields")
    if question.variants:
        recipe = recipes[names[0]]
        found = [
            Variant(
                label=label, recipe=names[0], settings={path_of(recipe, name): value for name, value in own.items()}
            )
            for label, own in question.variants.items()
        ]
    else:
        found = [one for name in names for one in _grid(question, name, recipes[name], len(names) > 1)]
    slugs = [variant.slug for variant in found]
    twice = next((variant.label for variant in found if slugs.count(variant.slug) > 1), None)
    if twice is not None:
        raise Error(f"the variant {twice} is there twice; give each value once")
    if len(found) < 2:
        raise Error(f"{found[0].label} is the recipe's own; give another value, or several")
    return tuple(found)


def _grid(question: Question, name: str | None, recipe: Recipe, named: bool) -> list[Variant]:
    """Every combination of the values that are varied."""
    fields = {path_of(recipe, field): values for field, values in question.vary.items()}
    axes = [[(path, value) for value in _with_baseline(recipe, path, values)] for path, values in fields.items()]
    found = []
    for combination in product(*axes):
        varied = [(path, value) for (path, value), axis in zip(combination, axes, strict=True) if len(axis) > 1]
        names_itself = len(varied) == 1 and isinstance(read(varied[0][1]), str)
        words = [
            shown(value) if names_itself else f"{path.rpartition('.')[2]}={shown(value)}" for path, value in varied
        ]
        label = ", ".join([*([str(name)] if named else []), *words]) or shown(combination[0][1])
        found.append(Variant(label=label, recipe=name, settings=dict(combination)))
    return found


def _with_baseline(recipe: Recipe, path: str, values: tuple[Any, ...]) -> list[Any]:
    """The values; before a single one the recipe's own, where it has one that is said."""
    own = value_of(recipe, path)
    if len(values) > 1 or own is None or shown(own) == shown(values[0]):
        return list(values)
    return [own, *values]


def slug(text: str) -> str:
    """A text as a file's name: `score=dot` as `score-dot`; a long one is cut, and ends with its checksum."""
    name = re.sub(r"[^\w.+]+", "-", text).strip("-.") or "variant"
    if len(name.encode("utf-8", "surrogatepass")) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 8]}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
