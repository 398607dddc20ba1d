"""Loading what a run trained, whatever it is."""

from __future__ import annotations

from pathlib import Path

from kqv.models.recogniser import Recogniser
from kqv.training.digits import load_network
from kqv.training.gpt import LoadedGPT, load_gpt
from kqv.training.run import Run


def load(name: str | Path) -> Recogniser | LoadedGPT:
    """The trained model of a run: its path, its name in `runs`, or `latest`. Raises `RunError`.

    Digits: the network, with `classify`. GPT: the model with its tokenizer, with `generate`.
    """
    run = Run.find(name)
    return load_gpt(run) if run.recipe.system == "gpt" else load_network(run)
