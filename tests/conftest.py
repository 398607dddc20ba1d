"""Shapes in the signatures of operations are checked in all tests, unless KQV_UNTYPED is set (compiled code).

Real data is looked for beside the checkout where KQV_DATA is not set; tests skip, and say so, without it.
"""

from __future__ import annotations

import gc
import os
import signal

if os.environ.get("PYTEST_XDIST_WORKER"):  # several threads in each of several processes would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.disable()  # until all tests are collected: there is next to no garbage then, and much to look through for it

if not os.environ.get("KQV_UNTYPED"):
    from jaxtyping import install_import_hook

    install_import_hook("kqv.operations", "beartype.beartype")


from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.data.digits import DigitData, load_digits
from kqv.files.temporary import new_folder
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan
from kqv.systems.digits.start import resume, start
from kqv.training.loop import Trainer
from kqv.training.run import Run

CPU = torch.device("cpu")

_REAL_DATA = Path(__file__).parents[2] / "shared" / "data"
if not os.environ.get("KQV_DATA") and _REAL_DATA.is_dir():
    os.environ["KQV_DATA"] = str(_REAL_DATA)


@pytest.fixture(scope="session")
def small_data() -> DigitData:
    """A few of the embedded digits: 90 to train, so that an epoch's last batch of 20 is smaller than the others."""
    data = load_digits(None)
    return replace(data, train=data.train[:90], validation=data.validation[:40], test=data.test[:40])


@pytest.fixture
def small_recipe() -> DigitsRecipe:
    """Everything that has a state or a chance, in small: dropout, shifts, moments, warm-up, schedule, clipping."""
    return DigitsRecipe(
        name="digits",
        model=NetworkPlan(hidden=(12,), dropout=0.3),
        data=DigitsPlan(shift=1 / 8),
        training=TrainingPlan(
            learning_rate=1e-2, weight_decay=0.01, schedule="cosine", warm_up=4, clip=0.5, batch=20, steps=23
        ),
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, so that `runs/` is its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True, scope="session")
def _hear_signals() -> None:
    """A background job of a shell ignores Ctrl-C, and one under nohup the closed terminal, and their children do so
    too: the tests that send signals need them heard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: a look for garbage passes it over, or takes half a second each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


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
    monkeypatch.setattr("kqv.training.audience.SHOW_SECONDS", 0.0)
    return Watcher()


class Workshop:
    """Makes trainers of the small recipe in numbered folders, and continues them."""

    def __init__(self, folder: Path, data: DigitData, recipe: DigitsRecipe) -> None:
        self.folder, self.data, self.recipe = folder, data, recipe

    def begin(self, name: str, recipe: DigitsRecipe | None = None, **options: Any) -> tuple[Run, Trainer]:
        return start(recipe or self.recipe, self.data, self.folder / name, CPU, **options)

    def resume(self, run: Run, **options: Any) -> Trainer:
        return resume(run, lambda name: self.data, CPU, **options)

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


@pytest.fixture
def abandoned() -> Callable[[Path, str], Path]:
    """A function that makes what a process leaves in a folder when it is killed while it makes something of a name."""

    def make(parent: Path, name: str) -> Path:
        parent.mkdir(parents=True, exist_ok=True)
        making = new_folder(parent, name)
        folder = making.__enter__()
        (folder / "half").write_text("half")
        kept = parent / f"kept-{name}"
        folder.rename(kept)
        making.__exit__(None, None, None)
        return kept.rename(folder)

    return make
