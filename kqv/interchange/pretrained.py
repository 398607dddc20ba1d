"""What a training can start from: a run, a folder in Hugging Face's layout, or a name on its hub."""

from __future__ import annotations

import os
from pathlib import Path

from kqv.errors import DataError
from kqv.interchange import hub
from kqv.interchange.hugging_face import is_model, read
from kqv.interchange.library_tokenizer import LibraryTokenizer
from kqv.training.gpt import Pretrained, pretrained
from kqv.training.gpt_recipes import GPTPlan
from kqv.training.run import RUNS, Run

LONGEST = 1024  # tokens of a training's window; models with rotary positions may read a hundred times as many


def find(name: str) -> Pretrained:
    """The model at a path or of a run's name, or else of that name on the hub.

    Raises `Error` where there is none, or where it is damaged, unknown, or without a vocabulary to train with.
    """
    folder = published(name)
    if folder is None:
        return pretrained(Run.find(name))
    return from_folder(folder, os.path.realpath(name) if os.path.isdir(name) else name)  # noqa: PTH112


def published(name: str) -> Path | None:
    """The folder in Hugging Face's layout at a path, or fetched by its name on the hub; None for a run.

    Raises `Error` where the hub does not give it.
    """
    folder = Path(name)
    if is_model(folder):
        return folder
    here = os.path.lexists(folder) or os.path.lexists(RUNS / name)
    return hub.fetch(name) if hub.is_name(name) and not here else None


def from_folder(folder: Path, origin: str) -> Pretrained:
    """The model of a folder in Hugging Face's layout; with rotary positions its context is cut to `LONGEST`.

    Raises `DataError` as `read`, and for a vocabulary that a run cannot keep.
    """
    model, tokenizer = read(folder)
    if tokenizer is None:
        raise DataError(f"{folder} has no tokenizer.json, so no text can be given to it; save the tokenizer with it")
    if isinstance(tokenizer, LibraryTokenizer):
        raise DataError(f"{folder}: no run can keep this vocabulary ({tokenizer.describe()}); ByteLevel ones are known")
    plan = GPTPlan(**model.parts)
    if plan.positions == "rotary" and plan.context > LONGEST:
        plan = plan.model_copy(update={"context": LONGEST})
    return Pretrained(origin, plan, model, tokenizer)
