"""Training what a question compares: every variant with every seed, one after another; what is finished is kept."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.experiments.folder import Folder, Outcome, Seen, Settled, folder_for, recipe_of
from kqv.experiments.measures import examples_of, numbers_of
from kqv.experiments.question import Question, Variant, variants_of
from kqv.systems.changes import Changes
from kqv.systems.fields import path_of, with_fields
from kqv.systems.source import run_source
from kqv.systems.system import Asked, EvaluationAsked, System, Watcher, system_named
from kqv.systems.training import begin, resume
from kqv.tensors import digest, learned_count
from kqv.training import devices
from kqv.training.distributed import Group, joined
from kqv.training.loop import CHECKPOINT_SECONDS, Diverged, Listener, Trainer
from kqv.training.plans import AnyRecipe, Recipe
from kqv.training.run import CONFIG, Run
from kqv.training.task import Sampling

SAMPLE_TOKENS = 120


class Observer:
    """Who is told how far a comparison is; by default nobody."""

    def settled(self, folder: Path, variants: tuple[Variant, ...], runs: int, done: int) -> None:
        """What is compared where, in how many runs, of which so many are finished already."""

    def begins(self, variant: Variant, seed: int, trainer: Trainer) -> None:
        """A run is trained next."""

    def listener(self) -> Listener | None:
        """Who is told of each step and score of the next run."""
        return None

    def ended(self, variant: Variant, seed: int, outcome: Outcome) -> None:
        """A run is finished and scored."""


def run_question(
    question: Question, out: Path | None = None, *, device: str = "auto", observer: Observer | None = None,
    watcher: Watcher | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Folder:  # fmt: skip
    """Train and score all that a question compares, in its folder; what was finished there before is kept, and a run
    that was stopped is resumed.

    Raises `Error` for what cannot be compared, before anything is trained; `Interrupted` after Ctrl-C, with everything
    saved.
    """
    watcher, observer = watcher or Watcher(), observer or Observer()
    with joined(devices.choose_device(device)) as group:
        if group.size > 1:
            raise Error("a comparison trains one run after another in one process; start it without torchrun")
        folder = folder_for(question, out)
        fresh = not folder.has_question
        with _removed_when_refused(folder) if fresh else _kept():
            folder.ask(question)
            comparison = Comparison(question, folder, system_named(question.system), group, watcher, observer)
            comparison.settle()
        comparison.watcher = Watcher()  # each run prepares what the first prepared; the observer tells how far all are
        comparison.train(checkpoint_seconds)
    return folder


@contextmanager
def _kept() -> Iterator[None]:
    yield


@contextmanager
def _removed_when_refused(folder: Folder) -> Iterator[None]:
    """Leave nothing of a question that cannot be asked."""
    there = folder.path.is_dir() and any(folder.path.iterdir())
    try:
        yield
    except Error:
        if not there:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


@dataclass
class Comparison:
    """A question in its folder, with what it is run on."""

    question: Question
    folder: Folder
    system: System
    group: Group
    watcher: Watcher
    observer: Observer

    def settle(self) -> None:
        """Fix recipes, variants and steps, and make each variant once before its first step."""
        settled = self.folder.settled()
        if settled is None:
            settled = self._settled()
        for variant in settled.variants:
            if variant.slug in settled.seen:
                continue
            settled = self._with_untrained(settled, variant)
            self.folder.settle(settled)

    def _settled(self) -> Settled:
        recipes: dict[str | None, Recipe] = {}
        minutes = self.question.minutes
        for name in self.question.recipes or (None,):
            recipes[name], own = self._base(name)
            minutes = minutes or own
        variants = variants_of(self.question, recipes)
        kept = {name or "": AnyRecipe.model_validate(recipe.model_dump()) for name, recipe in recipes.items()}
        return Settled(recipes=kept, variants=variants, device=self.group.device.type, minutes=minutes,
                       steps=self.question.steps)  # fmt: skip

    def _base(self, name: str | None) -> tuple[Recipe, float | None]:
        """A recipe as its data has it, with what all variants have different; and for how many minutes it trains."""
        changes = Changes(data=self.question.data, steps=self.question.steps)
        planned = self.system.plan(Asked(name, changes), self.group, self.watcher)
        recipe = planned.recipe
        if self.question.base:
            settings = {path_of(recipe, field): value for field, value in self.question.base.items()}
            changed, flags = with_fields(recipe, settings)
            recipe = self.system.plan(Asked(changed, flags), self.group, self.watcher).recipe
        return recipe, planned.minutes

    def asked(self, settled: Settled, variant: Variant, seed: int) -> Asked:
        """A run of a variant as somebody would ask for it; its first weights are drawn by name."""
        recipe = recipe_of(settled, variant, self.system)
        changed, changes = with_fields(recipe, variant.settings)
        training = changed.training.model_copy(update={"first_weights": "by-name"})
        changed = changed.model_copy(update={"training": training, "name": f"{recipe.name}, {variant.label}"})
        steps = settled.steps if changes.steps is None else changes.steps
        return Asked(changed, dataclasses.replace(changes, seed=seed, steps=steps))

    def _with_untrained(self, settled: Settled, variant: Variant) -> Settled:
        """What is seen of a variant before its first step. Where a time is given, the baseline's speed says how many
        steps all of them make."""
        path = self.folder.untrained(variant).path
        shutil.rmtree(path, ignore_errors=True)  # of one that was killed in the midst of this
        asked = self.asked(settled, variant, 1)
        if settled.minutes is not None and settled.steps is None:
            asked = dataclasses.replace(asked, minutes=settled.minutes)
        begun = begin(self.system, asked, path, self.group, self.watcher)
        task = begun.trainer.task
        seen = Seen(
            notes=tuple(begun.planned.notes(begun.trainer)),
            parameters=learned_count(task.model),
            batch=digest_of(task.batch(0)),
        )
        steps = settled.steps if settled.minutes is None else begun.trainer.steps
        return settled.model_copy(update={"steps": steps, "seen": {**settled.seen, variant.slug: seen}})

    def train(self, checkpoint_seconds: float) -> None:
        """Train and score what is not finished yet; seed by seed, so that what is there are pairs."""
        settled = self.folder.settled()
        assert settled is not None
        todo = [
            (variant, seed)
            for seed in range(1, self.question.seeds + 1)
            for variant in settled.variants
            if self.folder.outcome(variant, seed) is None
        ]
        runs = self.question.seeds * len(settled.variants)
        self.observer.settled(self.folder.path, settled.variants, runs, runs - len(todo))
        for variant, seed in todo:
            outcome = self._trained(settled, variant, seed, checkpoint_seconds)
            self.folder.keep(variant, seed, outcome)
            self.observer.ended(variant, seed, outcome)

    def _trained(self, settled: Settled, variant: Variant, seed: int, checkpoint_seconds: float) -> Outcome:
        run, listener = self.folder.run(variant, seed), self.observer.listener()
        if (run.path / CONFIG).is_file():
            trainer = resume(
                self.system, run, self.group, self.watcher, listener=listener, checkpoint_seconds=checkpoint_seconds
            )
        else:
            trainer = begin(
                self.system, self.asked(settled, variant, seed), run.path, self.group, self.watcher, listener=listener,
                checkpoint_seconds=checkpoint_seconds,
            ).trainer  # fmt: skip
        self.observer.begins(variant, seed, trainer)
        try:
            trainer.train()
        except Diverged as failure:
            return Outcome(steps=trainer.step, seconds=trainer.seconds, diverged=str(failure))
        found = self._evaluated(run)
        return Outcome(
            scores=numbers_of(found), examples=examples_of(found), steps=trainer.step, seconds=trainer.seconds,
            sample=_sample(trainer) if seed == 1 else "",
        )  # fmt: skip

    def _evaluated(self, run: Run) -> dict[str, Any]:
        """What the system's own evaluation says of a run over the whole validation set."""
        asked = EvaluationAsked(split="validation", device=self.group.device.type)
        return self.system.evaluate(run_source(run), asked, self.watcher).scores


def _sample(trainer: Trainer) -> str:
    """What the model writes; why it cannot, where it cannot."""
    if not isinstance(trainer.task, Sampling):
        return ""
    try:
        with trainer.average.in_use():
            return trainer.task.sample(SAMPLE_TOKENS)
    except Error as failure:
        return f"(it cannot write: {failure})"


def digest_of(batch: Any) -> str:
    """A fingerprint of a batch's tensors, whatever the system's batches are."""
    with torch.no_grad():
        fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
        return digest({name: value for name, value in fields.items() if isinstance(value, Tensor)})
