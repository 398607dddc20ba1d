"""Encoders as a kind of model: they are taken from files, traced and compared, and not trained here."""

from __future__ import annotations

from typing import NoReturn

from kqv.errors import Error
from kqv.systems.encoder.loaded import LoadedEncoder, load_encoder
from kqv.systems.encoder.sketch import sketch_source
from kqv.systems.encoder.traced import read, trace
from kqv.systems.source import ModelSource
from kqv.systems.system import EvaluationAsked, Kind, Watcher
from kqv.why.why import Why


def evaluate(source: ModelSource, asked: EvaluationAsked, watcher: Watcher) -> NoReturn:
    """Refused: an encoder without a head predicts nothing that could be right or wrong."""
    raise Error(
        f"{source.name} is an encoder: it predicts nothing, so there is nothing to score; look inside: "
        f"kqv trace {source.name} TEXT"
    )


def why(loaded: LoadedEncoder, text: str, label: str | None) -> Why:
    """An encoder to be asked why, on a text. Raises `Error` for a label."""
    if label is not None:
        raise Error("--label is a sentence's translation; the model reads one text")
    return loaded.why(text)


KIND = Kind(
    name="encoder",
    load=load_encoder,
    trace=trace,
    evaluate=evaluate,
    why=why,
    sketch=sketch_source,
    read=read,
    compares=True,
)
