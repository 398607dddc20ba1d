"""A new question as the page asks it: checked as the command line checks it, and as that command's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kqv.errors import Error
from kqv.experiments.compare import ask
from kqv.experiments.question import Question, Variant, variants_of
from kqv.experiments.saved import SAVED
from kqv.lab.training.asked import check_data
from kqv.systems.fields import path_of, shown, split_values, with_fields
from kqv.systems.system import SYSTEMS, System, system_named
from kqv.training.plans import Recipe

Word = Annotated[str, Field(max_length=1000)]


class QuestionAsked(BaseModel):
    """What is compared: a system or a saved question; fields of the recipe with their values, as they are typed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    what: Word
    recipe: Word | None = None
    vary: dict[Word, Word] = Field(default_factory=dict, max_length=8)
    data: Word | None = None
    seeds: int | None = Field(default=None, ge=1, le=100)
    steps: int | None = Field(default=None, ge=1, le=10**9)
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    score: Word | None = None


def question_of(asked: QuestionAsked, own_data: bool = True) -> Question:
    """The question that is meant, with all its variants checked; `Error` in one line for what cannot be compared."""
    if asked.what not in SYSTEMS and asked.what not in SAVED:
        known = ", ".join((*SYSTEMS, *SAVED))
        raise Error(f"there is nothing to compare under the name {asked.what!r}; choose one of: {known}")
    if asked.steps is not None and asked.minutes is not None:
        raise Error("steps and minutes both say how long to train; give one of them")
    if asked.data is not None:
        check_data(asked.data, own_data)
    given: dict[str, Any] = asked.model_dump(include={"data", "seeds", "steps", "minutes", "score"})
    given["vary"] = {field.strip(): split_values(values) for field, values in asked.vary.items()}
    given["recipes"] = split_values(asked.recipe) if asked.recipe else []
    question, _ = ask(asked.what, given)
    check(question)
    return question


def check(question: Question) -> tuple[Variant, ...]:
    """The variants, each a recipe that its system accepts; `Error` for the first that is none."""
    system = system_named(question.system)
    recipes = {name: _with_base(system, name, question) for name in question.recipes or (None,)}
    variants = variants_of(question, recipes)
    for variant in variants:
        changed, flags = with_fields(recipes[variant.recipe], variant.settings)
        system.changed(changed, flags)
    return variants


def _with_base(system: System, name: str | None, question: Question) -> Recipe:
    recipe = system.recipe_named(name)
    changed, flags = with_fields(recipe, {path_of(recipe, field): value for field, value in question.base.items()})
    return system.changed(changed, flags)


def arguments_of(asked: QuestionAsked, out: Path) -> list[str]:
    """The arguments of the command that answers it in a folder."""
    options = asked.model_dump(include={"recipe", "data", "seeds", "steps", "minutes", "score"}, exclude_none=True)
    varied = [f"--vary={field}={values}" for field, values in asked.vary.items()]
    return ["compare", asked.what, *varied, *(f"--{name}={value}" for name, value in options.items()), f"--out={out}"]


def saved() -> list[dict[str, Any]]:
    """The saved questions."""
    found = []
    for name, make in SAVED.items():
        question = make()
        labels = list(question.variants) or [shown(value) for values in question.vary.values() for value in values]
        found.append({"name": name, "system": question.system, "question": question.question,
                      "explanation": question.explanation, "variants": labels, "seeds": question.seeds})  # fmt: skip
    return found
