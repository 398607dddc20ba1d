"""A run directory is all there is to a training run: recipe, versions, seed, classes, weights, state, metrics.

config.json              recipe, seed, versions, fingerprint of the data; written last, so what has it is whole
classes.json             of digits: names of the classes, rows and columns of the pictures
tokenizer.json           of texts: the vocabulary; of translations, the target's or a joint one
source-tokenizer.json    of translations: the source's vocabulary, where it is another one
teacher.txt              of translations, where it has teachers: what these made of each training sentence, a line each
model.safetensors        the weights; averaged, where the recipe wants that
best.safetensors         where the recipe keeps them, the weights that had the best validation score
checkpoint.safetensors   what is needed to resume bit-identically
metrics.jsonl            one line a measurement
samples.jsonl            of texts: what the model wrote at each evaluation, where the recipe wants it

Each .safetensors file has a checksum of what it holds and the run's identity: damage, and a file of another run, are
named. What is written here is written by `kqv.training.held`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, PositiveInt, SerializeAsAny, field_validator

from kqv.errors import ADVICE, Error, RunError, with_article
from kqv.files import make_folder, reason
from kqv.files.directory import Directory, LockedError
from kqv.files.reading import open_regular
from kqv.files.temporary import is_temporary
from kqv.training.lines import Line, measurement, records, sample
from kqv.training.parsing import parsed, read_json
from kqv.training.plans import AnyRecipe, Plan, Recipe
from kqv.viewed import Viewed

MOST_THREADS = 1024  # more than a machine has, and the system gives a process no more
FORMAT = 2  # 1 had no checksums
CONFIG, CLASSES, TOKENIZER, SOURCE_TOKENIZER, TEACHER, MODEL, BEST, CHECKPOINT, METRICS, SAMPLES = (
    "config.json", "classes.json", "tokenizer.json", "source-tokenizer.json", "teacher.txt", "model.safetensors",
    "best.safetensors", "checkpoint.safetensors", "metrics.jsonl", "samples.jsonl",
)  # fmt: skip
UNFINISHED = "new-run"  # of a temporary file of this name, as long as a run is made
MADE = (CLASSES, TOKENIZER, SOURCE_TOKENIZER, TEACHER, MODEL, CHECKPOINT)  # before config.json
RUNS = Path("runs")
MAKE_ONE = "make one with: kqv train digits, kqv train translate or kqv train gpt"

Kind = TypeVar("Kind", bound=Recipe)


class DataFacts(Plan):
    """Which data a run was trained on: how many examples (of texts: tokens) each split has, and a fingerprint of all;
    `vocabulary`: of texts, the fingerprint of the tokenizer. `batches`: of sentence pairs, how many make an epoch."""

    name: str
    train: int
    validation: int
    test: int
    sha256: str
    vocabulary: str = ""
    batches: int = 0


class Lengthened(Plan):
    """A run that went on with another number of steps: where it stood, and how many it was to have before."""

    at_step: int
    steps_before: int


class Config(Plan):
    """All of `config.json`: the resolved recipe, where and with what it is trained.

    `identity`: what tells its files from those of other runs, a fingerprint of all that decides its numbers; None for
    one that was made before files had checksums.
    """

    format: int = FORMAT
    recipe: SerializeAsAny[Recipe]
    versions: dict[str, str]
    device: str
    threads: PositiveInt = Field(le=MOST_THREADS)
    processes: PositiveInt = 1
    data: DataFacts
    weights_from: str | None = None
    identity: str | None = None
    lengthened: tuple[Lengthened, ...] = ()

    @field_validator("recipe", mode="before")
    @classmethod
    def _of_any_system(cls, recipe: Any) -> Any:
        return recipe if isinstance(recipe, Recipe) else AnyRecipe.model_validate(recipe)


@dataclass(frozen=True)
class Run(Viewed):
    """One run directory."""

    path: Path

    @classmethod
    def find(cls, name: str | Path, system: str | None = None) -> Run:
        """The run at a path, or of that name in `runs`, or the newest (of a system) for `latest`; `RunError` lists what
        exists."""
        if str(name) == "latest":
            return latest_run(system)
        for path in (Path(name), RUNS / name):
            if _is_file(path / CONFIG):
                return cls(path)
            if cls(path).is_unfinished:
                raise RunError(
                    f"{path} was stopped before its first step, so nothing of it is lost; start it again: --out {path}"
                )
            if any(_is_file(path / part) for part in (MODEL, CHECKPOINT, METRICS, CLASSES)):
                raise RunError(f"{path} is damaged: {CONFIG} is missing; {ADVICE}")
        known = ", ".join(str(run.path) for run in list_runs()[:8])
        advice = f"there are: {known}" if known else f"there is none yet; {MAKE_ONE}"
        if os.path.isdir(name):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or not allowed
            raise RunError(f"{name} is a folder without {CONFIG}, so it holds no run; {advice}")
        raise RunError(f"there is no run {str(name)!r}; {advice}")

    def require_free(self) -> None:
        """Raise `Error` where a run or other files stand already, but for what a run that was never whole left."""
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise Error(f"{self.path} is a file; choose another --out")
        if not self.path.is_dir() or self.is_unfinished or not any(self.path.iterdir()):
            return
        if not _is_file(self.path / CONFIG):
            raise Error(f"{self.path} is not empty; choose another --out")
        raise Error(f"{self.path} is not empty; choose another --out, or resume the run in it: --resume {self.path}")

    @property
    def config(self) -> Config:
        """All of `config.json`; `RunError` when it is missing, damaged or of a newer format."""
        path = self.path / CONFIG
        content = read_json(path)
        found = content.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise RunError(f"{path} has format {found}, made by a newer kqv; this one reads {FORMAT}: update kqv")
        if not isinstance(found, int) or found < 1:
            raise RunError(f"{path} is damaged: its format is {found!r}, expected {FORMAT}; {ADVICE}")
        return parsed(Config, content, path)

    @property
    def config_file(self) -> Path:
        """What it was trained with."""
        return self.path / CONFIG

    @property
    def identity(self) -> str | None:
        """What each of the run's files is to say of itself; see `Config`."""
        return self.config.identity

    @property
    def recipe(self) -> Recipe:
        """The run's recipe, with the parts that all systems' have; `recipe_of` gives it as its system's own."""
        return self.config.recipe

    def recipe_of(self, kind: type[Kind], recipe: Recipe | None = None) -> Kind:
        """The run's recipe (or one made of it) as its system's own kind; `RunError` for a run of another system, or
        where it is damaged."""
        recipe = recipe or self.recipe
        system = kind.model_fields["system"].default
        if recipe.system != system:
            found = f"{with_article(recipe.system)} run"
            raise RunError(f"{self.path} is {found}; this needs one of {system}: kqv runs lists all")
        return parsed(kind, recipe.model_dump(), self.path / CONFIG)

    @property
    def tokenizer_file(self) -> Path:
        """The vocabulary of a model of texts."""
        return self.path / TOKENIZER

    @property
    def source_tokenizer_file(self) -> Path:
        """A translator's vocabulary for what it reads, where that is another one than for what it writes."""
        return self.path / SOURCE_TOKENIZER

    @property
    def teacher_file(self) -> Path:
        """What a translator's teachers made of the training sentences, a line each."""
        return self.path / TEACHER

    @property
    def model_file(self) -> Path:
        """The weights."""
        return self.path / MODEL

    @property
    def best_file(self) -> Path:
        """The weights that had the best validation score, where the recipe keeps them."""
        return self.path / BEST

    def weights_file(self, best: bool = False) -> Path:
        """The last weights, or those with the best validation score; `RunError` where the run has none of these."""
        if best and not _is_file(self.best_file):
            raise RunError(
                f"{self.path} has no {BEST}: its recipe keeps the last weights alone, or it was not scored yet"
            )
        return self.best_file if best else self.model_file

    @property
    def checkpoint_file(self) -> Path:
        """The state to resume from."""
        return self.path / CHECKPOINT

    def metrics(self) -> list[dict[str, Any]]:
        """All measurements in order; a line that was cut off by a kill is passed over."""
        return list(self.each_measurement())

    def each_measurement(self) -> Iterator[dict[str, Any]]:
        """`metrics`, one after the other: a long training has more than fit into memory at once."""
        return self._lines(METRICS, measurement)

    def samples(self) -> list[dict[str, Any]]:
        """What the model wrote at evaluations, in order: `step` and `text`."""
        return list(self._lines(SAMPLES, sample))

    def _lines(self, name: str, of: Callable[[str], Line | None]) -> Iterator[Line]:
        try:
            with open_regular(self.path / name) as file:
                yield from records(file, of)
        except FileNotFoundError:
            return
        except OSError as failure:
            raise RunError(f"{self.path / name} cannot be read: {reason(failure)}") from None

    @property
    def is_training(self) -> bool:
        """Whether a process trains it now."""
        try:
            directory = Directory(self.path)
        except Error:
            return False
        try:
            directory.lock(shared=True)
        except LockedError:
            return True
        finally:
            directory.close()
        return False

    @property
    def is_unfinished(self) -> bool:
        """Whether there is all that a process left that was killed while it made a new run, and nothing else."""
        try:
            names = set(os.listdir(self.path))  # noqa: PTH208 - Path.iterdir raises for a name that is not allowed
        except (OSError, ValueError):
            return False
        marked = any(is_temporary(name, UNFINISHED) for name in names)
        return marked and all(name in MADE or is_temporary(name) for name in names)

    @property
    def changed(self) -> float:
        """When it was last written to, in seconds since 1970; 0.0 where that cannot be told."""
        times = [0.0]
        for name in (CONFIG, CHECKPOINT):
            with suppress(OSError):
                times.append((self.path / name).stat().st_mtime)
        return max(times)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long or not allowed


def list_runs(folder: Path = RUNS) -> list[Run]:
    """All runs in a folder, the one that was trained last first."""
    try:
        found = [Run(path) for path in folder.iterdir() if _is_file(path / CONFIG)]
    except OSError:
        return []
    return sorted(found, key=lambda run: (run.changed, run.path), reverse=True)


def latest_run(system: str | None = None) -> Run:
    """The run in `runs` that was trained last, of a system where one is named; `RunError` where there is none."""
    runs = list_runs()
    if not runs:
        raise RunError(f"there is no run yet; {MAKE_ONE}")
    if system is None:
        return runs[0]
    for run in runs:
        with suppress(Error):  # a damaged run is of no system
            if run.recipe.system == system:
                return run
    raise RunError(f"there is no {system} run yet; make one with: kqv train {system}")


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
