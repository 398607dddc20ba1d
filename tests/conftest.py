"""Shapes in the signatures of operations are checked in all tests, unless KQV_UNTYPED is set (compiled code)."""

from __future__ import annotations

import os
import signal

if not os.environ.get("KQV_UNTYPED"):
    from jaxtyping import install_import_hook

    install_import_hook("kqv.operations", "beartype.beartype")


from dataclasses import replace
from pathlib import Path

import pytest

from kqv.data.digits import DigitData, load_digits
from kqv.training.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan


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
