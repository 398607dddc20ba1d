"""A run directory is all there is to a training run: recipe, versions, seed, classes, weights, state, metrics.

config.json              recipe, seed, versions, fingerprint of the data; written last, so what has it is whole
classes.json             of digits: names of the classes, rows and columns of the pictures
tokenizer.json           of texts: the vocabulary
model.safetensors        the weights
best.safetensors         where the recipe keeps them, the weights that had the lowest validation loss
checkpoint.safetensors   what is needed to go on bit-identically
metrics.jsonl            one line a measurement
samples.jsonl            of texts: what the model wrote at each evaluation, where the recipe wants it
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from kqv.errors import ADVICE, Error, RunError
from kqv.files import make_folder, reason, write_json, write_text
from kqv.training.gpt_recipes import GPTRecipe
from kqv.training.parsing import one_line, parsed, read_json
from kqv.training.plans import Plan
from kqv.training.recipes import DigitsRecipe

FORMAT = 1
CONFIG, CLASSES, TOKENIZER, MODEL, BEST, CHECKPOINT, METRICS, SAMPLES = (
    "config.json", "classes.json", "tokenizer.json", "model.safetensors", "best.safetensors", "checkpoint.safetensors",
    "metrics.jsonl", "samples.jsonl",
)  # fmt: skip
RUNS = Path("runs")
MAKE_ONE = "make one with: kqv train digits, or kqv train gpt"

Recipe = Annotated[DigitsRecipe | GPTRecipe, Field(discriminator="system")]


class DataFacts(Plan):
    """Which data a run was trained on: how many examples (of texts: tokens) each split has, and a fingerprint of all;
    `vocabulary`: of texts, the fingerprint of the tokenizer."""

    name: str
    train: int
    validation: int
    test: int
    sha256: str
    vocabulary: str = ""


class Lengthened(Plan):
    """A run that went on with another number of steps: where it stood, and how many it was to have before."""

    at_step: int
    steps_before: int


class Config(Plan):
    """All of `config.json`: the resolved recipe, where and with what it is trained."""

    format: int = FORMAT
    recipe: Recipe
    versions: dict[str, str]
    device: str
    threads: PositiveInt
    processes: PositiveInt = 1
    data: DataFacts
    weights_from: str | None = None
    lengthened: tuple[Lengthened, ...] = ()


class Classes(TypedDict):
    """All of `classes.json`: the names of the classes, and the pictures' size."""

    classes: list[str]
    rows: PositiveInt
    columns: PositiveInt


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    @classmethod
    def find(cls, name: str | Path) -> Run:
        """The run at a path, or of that name in `runs`, or the newest for `latest`; `RunError` lists what exists."""
        if str(name) == "latest":
            runs = list_runs()
            if not runs:
                raise RunError(f"there is no run yet; {MAKE_ONE}")
            return runs[0]
        for path in (Path(name), RUNS / name):
            if _is_file(path / CONFIG):
                return cls(path)
            if any(_is_file(path / part) for part in (MODEL, CHECKPOINT, METRICS, CLASSES)):
                raise RunError(f"{path} is damaged, or was stopped while it was made: {CONFIG} is missing; {ADVICE}")
        known = ", ".join(str(run.path) for run in list_runs()[:8])
        advice = f"there are: {known}" if known else f"there is none yet; {MAKE_ONE}"
        if os.path.isdir(name):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or not allowed
            raise RunError(f"{name} is a folder without {CONFIG}, so it holds no run; {advice}")
        raise RunError(f"there is no run {str(name)!r}; {advice}")

    def require_free(self) -> None:
        """Raise `Error` where a run or other files stand already."""
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise Error(f"{self.path} is a file; choose another --out")
        if self.path.is_dir() and any(self.path.iterdir()):
            raise Error(
                f"{self.path} is not empty; choose another --out, or go on with the run in it: --resume {self.path}"
            )

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the directory; what is written inside the `with` is all of a new run, or removed again when that fails.

        Raises `Error` as `require_free`, and when another process makes a run there.
        """
        make_folder(self.path)
        with self.locked():
            self.require_free()
            try:
                yield
            except BaseException:
                shutil.rmtree(self.path, ignore_errors=True)
                raise

    def write_classes(self, classes: Classes) -> None:
        """Write `classes.json`."""
        write_json(self.path / CLASSES, classes)

    def write_config(self, config: Config) -> None:
        """Write `config.json`. This makes the directory a run, so at the start it comes after everything else."""
        write_json(self.path / CONFIG, config.model_dump(mode="json"))

    @property
    def config(self) -> Config:
        """All of `config.json`; `RunError` when it is missing, damaged or of a newer format."""
        path = self.path / CONFIG
        content = read_json(path)
        found = content.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise RunError(f"{path} has format {found}, made by a newer kqv; this one reads {FORMAT}: update kqv")
        if found != FORMAT:
            raise RunError(f"{path} is damaged: its format is {found!r}, expected {FORMAT}; {ADVICE}")
        return parsed(Config, content, path)

    @property
    def recipe(self) -> DigitsRecipe | GPTRecipe:
        """The run's recipe."""
        return self.config.recipe

    @property
    def classes(self) -> Classes:
        """`classes` (names), `rows` and `columns`; `RunError` for a run of another system, or a damaged one."""
        if self.recipe.system != "digits":
            raise RunError(f"{self.path} is a {self.recipe.system} run; this needs one of digits: kqv runs lists all")
        path = self.path / CLASSES
        try:
            return TypeAdapter(Classes).validate_python(read_json(path))
        except ValidationError as failure:
            raise RunError(f"{path} is damaged: {one_line(failure)}; {ADVICE}") from None

    @property
    def tokenizer_file(self) -> Path:
        """The vocabulary of a model of texts."""
        return self.path / TOKENIZER

    @property
    def model_file(self) -> Path:
        """The weights."""
        return self.path / MODEL

    @property
    def best_file(self) -> Path:
        """The weights that had the lowest validation loss, where the recipe keeps them."""
        return self.path / BEST

    def weights_file(self, best: bool = False) -> Path:
        """The last weights, or those with the lowest validation loss; `RunError` where the run has none of these."""
        if best and not _is_file(self.best_file):
            raise RunError(
                f"{self.path} has no {BEST}: its recipe keeps the last weights alone, or it was not scored yet"
            )
        return self.best_file if best else self.model_file

    @property
    def checkpoint_file(self) -> Path:
        """The state to go on from."""
        return self.path / CHECKPOINT

    def metrics(self) -> list[dict[str, Any]]:
        """All measurements in order; a line that was cut off by a kill is passed over."""
        return self._lines(METRICS)

    def add_metrics(self, content: dict[str, Any]) -> None:
        """Append one measurement."""
        self._add_line(METRICS, content)

    def cut_metrics(self, step: int) -> None:
        """Drop measurements made after `step`, and half lines: the run goes on from there and makes them again."""
        self._cut_lines(METRICS, step)

    def samples(self) -> list[dict[str, Any]]:
        """What the model wrote at evaluations, in order: `step` and `text`."""
        return self._lines(SAMPLES)

    def add_sample(self, content: dict[str, Any]) -> None:
        """Append what the model wrote."""
        self._add_line(SAMPLES, content)

    def cut_samples(self, step: int) -> None:
        """Drop what was written after `step`, as `cut_metrics`."""
        if _is_file(self.path / SAMPLES):
            self._cut_lines(SAMPLES, step)

    def _lines(self, name: str) -> list[dict[str, Any]]:
        try:
            text = (self.path / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as failure:
            raise RunError(f"{self.path / name} cannot be read: {reason(failure)}") from None
        return [measured for line in text.splitlines() if (measured := _measured(line)) is not None]

    def _add_line(self, name: str, content: dict[str, Any]) -> None:
        try:
            with (self.path / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(content, allow_nan=False) + "\n")
        except OSError as failure:
            raise Error(f"cannot write {self.path / name}: {reason(failure)}") from None

    def _cut_lines(self, name: str, step: int) -> None:
        kept = [line for line in self._lines(name) if line["step"] <= step]
        write_text(self.path / name, "".join(json.dumps(line) + "\n" for line in kept))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training this run; the system unlocks it when this process ends, however it does.

        `RunError` when another one trains it. Where the system has no such locks, nothing is kept away.
        """
        handle = _lock(self.path, shared=False)
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    @property
    def is_training(self) -> bool:
        """Whether a process trains it now."""
        try:
            handle = _lock(self.path, shared=True)
        except RunError:
            return True
        if handle is not None:
            os.close(handle)
        return False

    @property
    def changed(self) -> float:
        """When it was last written to, in seconds since 1970; 0.0 where that cannot be told."""
        times = [0.0]
        for name in (CONFIG, CHECKPOINT):
            with suppress(OSError):
                times.append((self.path / name).stat().st_mtime)
        return max(times)


def _measured(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("step"), int) else None


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long or not allowed


def _lock(folder: Path, shared: bool) -> int | None:
    """A handle that holds the folder's lock until it is closed; None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RunError(f"another process is training {folder}; wait for it, or stop it") from None
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def list_runs(folder: Path = RUNS) -> list[Run]:
    """All runs in a folder, the one that was trained last first."""
    try:
        found = [Run(path) for path in folder.iterdir() if _is_file(path / CONFIG)]
    except OSError:
        return []
    return sorted(found, key=lambda run: (run.changed, run.path), reverse=True)


def new_path(name: str, folder: Path = RUNS) -> Path:
    """Make an empty folder for a new run: `runs/NAME-1`, or a number higher than all that are there."""
    make_folder(folder)
    taken = [path.name.rpartition("-") for path in folder.iterdir()]
    number = 1 + max((int(own) for beginning, _, own in taken if beginning == name and own.isdecimal()), default=0)
    while True:
        path = folder / f"{name}-{number}"
        try:
            path.mkdir()
        except FileExistsError:  # another process was faster
            number += 1
            continue
        except OSError as failure:
            raise Error(f"cannot make the folder {path}: {reason(failure)}") from None
        return path
