"""Loading a trained model, whatever it is and wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, overload

from kqv.models.recogniser import Recogniser
from kqv.systems.encoder.loaded import LoadedEncoder
from kqv.systems.gpt.trained import LoadedGPT
from kqv.systems.source import find_model
from kqv.systems.system import kind_named


@overload
def load(name: str | Path, system: Literal["digits"], *, best: bool = False) -> Recogniser: ...
@overload
def load(name: str | Path, system: Literal["gpt"], *, best: bool = False) -> LoadedGPT: ...
@overload
def load(name: str | Path, system: Literal["encoder"], *, best: bool = False) -> LoadedEncoder: ...
@overload
def load(name: str | Path, system: None = None, *, best: bool = False) -> Any: ...
def load(name: str | Path, system: str | None = None, *, best: bool = False) -> Any:
    """The trained model of a run (its path, its name in `runs`, or `latest`), of a folder in Hugging Face's layout, of
    a GGUF file, or of that name on the hub.

        model = kqv.load("runs/digits-1")        # a network, with `classify`
        model = kqv.load("latest", "gpt")        # the newest GPT with its tokenizer, with `generate`
        model = kqv.load("minilm", "encoder")    # a real encoder with its tokenizer, with `vectors`

    `system`: of which one it has to be; type checkers then know what comes. `best`: with the weights of the lowest
    validation loss. Raises `RunError` where there is none or it is damaged, `DataError` for files that are damaged,
    unknown, or without a tokenizer.
    """
    source = find_model(name, system)
    return kind_named(source.system).load(source, best)
