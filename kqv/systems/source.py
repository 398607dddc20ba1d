"""Where a trained model is: a run, a folder in Hugging Face's layout, a GGUF file, or a name on the hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kqv.data.download import Progress
from kqv.data.registry import SOURCES
from kqv.data.sources import fetch
from kqv.errors import Error, RunError, with_article
from kqv.interchange import bert, gguf, hub, hugging_face
from kqv.training.run import RUNS, Run

GPT, ENCODER = "gpt", "encoder"
"""What a model can be that no run of kqv trained."""


@dataclass(frozen=True)
class ModelSource:
    """A trained model's `path`, the `name` that was given for it, the run, where it is one, and else what its files
    are."""

    name: str
    path: Path
    run: Run | None = None
    of_files: str = GPT

    @property
    def system(self) -> str:
        """The name of its system, or of its kind where none trains such."""
        return self.of_files if self.run is None else self.run.recipe.system

    @property
    def is_gguf(self) -> bool:
        """Whether it is one file in GGUF's layout."""
        return self.run is None and self.path.is_file()

    def require_run(self, why: str) -> Run:
        """The run; `Error` with `why` where it is none."""
        if self.run is None:
            raise Error(f"{self.name} is not a run: {why}")
        return self.run

    def require_one_set_of_weights(self, best: bool) -> None:
        """Raise `Error` where the best weights are wanted of a model that has but one set."""
        if best and self.run is None:
            raise Error(f"{self.name} is not a run, so it has one set of weights; leave out --best")


def run_source(run: Run) -> ModelSource:
    """A run as the source of a model."""
    return ModelSource(str(run.path), run.path, run)


def find_model(name: str | Path, system: str | None = None, progress: Progress | None = None) -> ModelSource:
    """The model of that name: a run's path, its name in `runs` or `latest`; a folder in Hugging Face's layout; a GGUF
    file; a named model such as `smollm2`, which is fetched (with a bar from `progress`); or a name on the hub.

    `system`: of which system it has to be; `latest` is then the newest run of that one.
    Raises `RunError` where there is none or it is of another system, `Error` where it cannot be fetched.
    """
    source = _found(str(name), system, progress)
    if system is not None and source.system != system:
        found = f"{with_article(source.system)} {'model' if source.run is None else 'run'}"
        if source.system == ENCODER:
            found = "an encoder, which reads text and writes none"
        raise RunError(f"{source.name} is {found}; this needs one of {system}: kqv runs lists all")
    return source


def _found(name: str, system: str | None, progress: Progress | None) -> ModelSource:
    path = Path(name)
    if hugging_face.is_model(path) or gguf.is_gguf(path):
        return _of_files(name, path)
    is_here = os.path.lexists(path) or os.path.lexists(RUNS / name)
    if not is_here and name.lower() in SOURCES:
        files = list(fetch(name.lower(), progress).values())
        if len(files) == 1 and gguf.is_gguf(files[0]):
            return _of_files(name, files[0])
        if SOURCES[name.lower()].kind == "model":
            return _of_files(name, _folder_of(name, files))
    if not is_here and hub.is_name(name):
        folder = hub.fetch(name)
        return _of_files(hub.pinned(name, folder), folder)
    return run_source(Run.find(name, system))


def _of_files(name: str, path: Path) -> ModelSource:
    """A model of files, which say what it is."""
    return ModelSource(name, path, of_files=ENCODER if bert.is_encoder(path) else GPT)


def _folder_of(name: str, files: list[Path]) -> Path:
    """The folder of a model's files; `Error` where they are scattered over several."""
    folders = sorted({file.parent for file in files})
    if len(folders) > 1:
        raise Error(
            f"the files of {name} are in {' and '.join(map(str, folders))}; put all of them into one of these folders"
        )
    return folders[0]
