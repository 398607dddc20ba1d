"""What tests of training share: watching a training, and stopping it where a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.data.digits import DigitData
from kqv.training.digits import go_on, start
from kqv.training.loop import Trainer
from kqv.training.recipes import DigitsRecipe
from kqv.training.run import Run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from several threads, and on a busy machine these wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Watcher:
    """A listener that remembers what it was told, and calls `at_step[step]` when a step is shown."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.scores: list[tuple[int, dict[str, float]]] = []
        self.at_step: dict[int, Callable[[], Any]] = {}

    def started(self, step: int, steps: int) -> None:
        self.steps.append(step)

    def stepped(self, step: int, loss: float, rate: float) -> None:
        self.steps.append(step)
        self.losses.append(loss)
        if step in self.at_step:
            self.at_step[step]()

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        self.scores.append((step, scores))


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """A watcher that is told of every step."""
    monkeypatch.setattr("kqv.training.loop.SHOW_SECONDS", 0.0)
    return Watcher()


class Workshop:
    """Makes trainers of the small recipe in numbered folders, and continues them."""

    def __init__(self, folder: Path, data: DigitData, recipe: DigitsRecipe) -> None:
        self.folder, self.data, self.recipe = folder, data, recipe

    def begin(self, name: str, recipe: DigitsRecipe | None = None, **options: Any) -> tuple[Run, Trainer]:
        return start(recipe or self.recipe, self.data, self.folder / name, CPU, **options)

    def resume(self, run: Run, **options: Any) -> Trainer:
        return go_on(run, lambda name: self.data, CPU, **options)

    def finished(self, name: str, recipe: DigitsRecipe | None = None) -> Run:
        """A run that was trained without a stop."""
        run, trainer = self.begin(name, recipe)
        trainer.train()
        return run


@pytest.fixture
def workshop(tmp_path: Path, small_data: DigitData, small_recipe: DigitsRecipe) -> Workshop:
    return Workshop(tmp_path, small_data, small_recipe)


@pytest.fixture
def timeless() -> Callable[[Run], list[dict[str, Any]]]:
    """A function that gives a run's measurements without the one that differs from day to day."""
    return lambda run: [{key: value for key, value in line.items() if key != "seconds"} for line in run.metrics()]
