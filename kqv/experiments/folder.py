"""The folder of a question: what is asked, what was settled before the first step, the runs, and what they scored.

question.json        the question; `kqv compare FOLDER` and `kqv compare FILE` read it
settled.json         the recipes as their data has them, the number of steps, and what was seen of each variant
untrained/VARIANT    a run of each variant with the first seed, before its first step
VARIANT-SEED         the runs: run directories like any other
scores/VARIANT-SEED.json   what a finished run scores on the held-out data
curves, attention    the figures; answer.json: the answer as `--json` prints it
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, SerializeAsAny

from kqv.errors import Error
from kqv.experiments.question import Question, Variant, read_question
from kqv.files import make_folder, write_json
from kqv.systems.system import System
from kqv.training.parsing import parsed, read_json
from kqv.training.plans import AnyRecipe, Plan
from kqv.training.run import RUNS, Run, new_path

QUESTION, SETTLED, SCORES, UNTRAINED, ANSWER = "question.json", "settled.json", "scores", "untrained", "answer.json"


class Seen(Plan):
    """What was seen of a variant before its first step: its notes, how many weights and biases it has, and a digest of
    its first batch."""

    notes: tuple[str, ...]
    parameters: int
    batch: str


class Settled(Plan):
    """What is fixed before the first step: recipes by name (`""` for the default), the variants, the steps of a time,
    on which device, and what was seen of each variant by its slug."""

    recipes: dict[str, SerializeAsAny[AnyRecipe]]
    variants: tuple[Variant, ...]
    device: str
    minutes: float | None = None
    steps: int | None = None
    seen: dict[str, Seen] = Field(default_factory=dict)


class Outcome(Plan):
    """How a run ended: its scores on the held-out data, how many examples were counted for them, its steps and
    seconds, and what it writes; or, where its numbers became infinite or NaN, where that happened."""

    scores: dict[str, float] = Field(default_factory=dict)
    examples: int = 0
    steps: int
    seconds: float
    sample: str = ""
    diverged: str = ""


@dataclass(frozen=True)
class Folder:
    """One question's folder."""

    path: Path

    @property
    def question(self) -> Question:
        """What is asked."""
        return read_question(self.path / QUESTION)

    @property
    def has_question(self) -> bool:
        """Whether a question stands in it."""
        return os.path.isfile(self.path / QUESTION)  # noqa: PTH113 - Path raises for long names

    def ask(self, question: Question) -> None:
        """Put a question into a new folder, or more seeds into one that has it already; `Error` where another question
        or other files stand there."""
        if self.has_question:
            if not self.question.same_as(question):
                raise Error(
                    f"{self.path} holds another question; choose another --out, or ask it again as it is: "
                    f"kqv compare {self.path}"
                )
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise Error(f"{self.path} is not empty, and holds no question; choose another --out")
        make_folder(self.path)
        write_json(self.path / QUESTION, question.model_dump(mode="json", exclude_defaults=True))

    def settled(self) -> Settled | None:
        """What was settled; None before that."""
        path = self.path / SETTLED
        return parsed(Settled, read_json(path), path) if path.is_file() else None

    def settle(self, settled: Settled) -> None:
        """Keep what is settled."""
        write_json(self.path / SETTLED, settled.model_dump(mode="json"))

    def run(self, variant: Variant, seed: int) -> Run:
        """The run of a variant with a seed."""
        return Run(self.path / f"{variant.slug}-{seed}")

    def untrained(self, variant: Variant) -> Run:
        """The run of a variant before its first step."""
        return Run(self.path / UNTRAINED / variant.slug)

    def outcome(self, variant: Variant, seed: int) -> Outcome | None:
        """How a run ended; None where it has not yet."""
        path = self._outcome_file(variant, seed)
        return parsed(Outcome, read_json(path), path) if path.is_file() else None

    def keep(self, variant: Variant, seed: int, outcome: Outcome) -> None:
        """Keep how a run ended."""
        make_folder(self.path / SCORES)
        write_json(self._outcome_file(variant, seed), outcome.model_dump(mode="json"))

    def _outcome_file(self, variant: Variant, seed: int) -> Path:
        return self.path / SCORES / f"{variant.slug}-{seed}.json"

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer that was written; None before that."""
        path = self.path / ANSWER
        return read_json(path) if path.is_file() else None

    def keep_answer(self, content: dict[str, Any]) -> None:
        """Write the answer beside its runs."""
        write_json(self.path / ANSWER, content)


def folder_for(question: Question, out: Path | None, runs: Path = RUNS) -> Folder:
    """The folder that is asked for; else the one in `runs` that has this question already, or a new one there."""
    if out is not None:
        return Folder(out)
    for path in sorted(runs.glob(f"{question.folder_name}-*")):
        folder = Folder(path)
        if folder.has_question and folder.question.same_as(question):
            return folder
    return Folder(new_path(question.folder_name, runs))


def recipe_of(settled: Settled, variant: Variant, system: System) -> Any:
    """The recipe that a variant changes, as its system's own."""
    return system.recipe.model_validate(settled.recipes[variant.recipe or ""].model_dump())
