"""What tests of the command line share: calling it in this process or as a real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.cli.main import main
from kqv.data.digits import DigitData
from kqv.systems.digits.recipes import DIGITS_RECIPES, DigitsRecipe
from kqv.systems.digits.start import start


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from several threads, and on a busy machine these wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> str:
        """The one line that a failed command says; the test fails if it said anything else."""
        assert self.status not in (0, None)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def kqv(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """A function that runs a command line in this process, in an empty folder."""

    def run(*words: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, small_recipe: DigitsRecipe) -> None:
    """The default recipe is a small one."""
    monkeypatch.setitem(DIGITS_RECIPES, "digits", lambda: small_recipe)
    monkeypatch.setattr("kqv.systems.digits.recipes.digits", lambda: small_recipe)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on all of the embedded digits, of a small recipe; to be copied, not changed."""
    from kqv.data.digits import load_digits
    from kqv.systems.digits.recipes import DigitsPlan, NetworkPlan, TrainingPlan

    recipe = DigitsRecipe(
        name="digits",
        model=NetworkPlan(hidden=(16,)),
        data=DigitsPlan(),
        training=TrainingPlan(learning_rate=1e-2, batch=100, steps=60),
    )
    path = tmp_path_factory.mktemp("finished") / "run"
    data: DigitData = load_digits(None)
    _, trainer = start(recipe, data, path, torch.device("cpu"))
    trainer.train()
    return path


@pytest.fixture
def run(finished_run: Path, here: Path) -> Path:
    """A finished run of one's own, `runs/digits-1` in the current folder."""
    path = Path("runs/digits-1")
    shutil.copytree(finished_run, path)
    return path


@pytest.fixture
def picture(here: Path, small_data: DigitData) -> Path:
    """A picture file with a digit of the test set."""
    from PIL import Image

    path = Path("digit.png")
    Image.fromarray(small_data.test.pixels[0]).save(path)
    return path


COMMAND = [sys.executable, "-m", "kqv"]


@pytest.fixture
def process(here: Path) -> Callable[..., subprocess.Popen[str]]:
    """A function that starts a real process in the empty folder: with `kqv`, or other words before it.

    One thread each: several on a busy machine wait for each other. Ctrl-C is not ignored, as it is in background jobs.
    """

    def begin(*words: str | Path, before: list[str] | None = None, **environment: str) -> subprocess.Popen[str]:
        import signal

        return subprocess.Popen(
            [*(before or COMMAND), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    return begin


@pytest.fixture
def ended(process: Callable[..., subprocess.Popen[str]]) -> Callable[..., Outcome]:
    """A function that runs a real process to its end."""

    def run(*words: str | Path, **options: Any) -> Outcome:
        begun = process(*words, **options)
        out, err = begun.communicate(timeout=120)
        return Outcome(begun.returncode, out, err)

    return run
