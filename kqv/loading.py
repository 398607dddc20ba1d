"""Loading a trained model, whatever it is and wherever it lies."""

from __future__ import annotations

from pathlib import Path

from kqv.errors import DataError
from kqv.interchange.hugging_face import read
from kqv.interchange.pretrained import published
from kqv.models.recogniser import Recogniser
from kqv.training.digits import load_network
from kqv.training.gpt import LoadedGPT, load_gpt
from kqv.training.run import Run


def load(name: str | Path) -> Recogniser | LoadedGPT:
    """The trained model of a run (its path, its name in `runs`, or `latest`), of a folder in Hugging Face's layout, or
    of that name on its hub.

    Digits: the network, with `classify`. GPT: the model with its tokenizer, with `generate`. Raises `RunError` where
    there is none or it is damaged, `DataError` for a folder that is damaged, unknown, or without a tokenizer.
    """
    folder = published(str(name))
    if folder is None:
        run = Run.find(name)
        return load_gpt(run) if run.recipe.system == "gpt" else load_network(run)
    model, tokenizer = read(folder)
    if tokenizer is None:
        raise DataError(f"{folder} has no tokenizer.json, so no text can be given to it; save the tokenizer with it")
    return LoadedGPT(model, tokenizer)
