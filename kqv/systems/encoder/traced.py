"""One traced pass of an encoder on a text: forward, and back from how alike it is to another text."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.data.text.word_pieces import Pieces
from kqv.errors import Error
from kqv.models.bert import BERT
from kqv.models.sentence_vectors import sentence_vectors, similarities
from kqv.recording import note
from kqv.systems.encoder.loaded import LoadedEncoder, load_encoder
from kqv.systems.source import ModelSource
from kqv.systems.system import TraceAsked, Traced, Watcher
from kqv.trace.trace import Trace
from kqv.trace.views import words
from kqv.visible import visible


def trace_pieces(model: BERT, pieces: Pieces, other: Tensor | None = None, training: bool = False) -> Trace:
    """Trace an encoder from the ids of a text to its sentence vector.

    With the sentence vector of another text, `other[batch, model]`, also to how alike they are, and back from there to
    every weight; without, there is nothing to trace back, since an encoder predicts nothing and so has no loss.
    """
    ids, types = torch.from_numpy(pieces.ids)[None], torch.from_numpy(pieces.types)[None]
    with Trace(model, training=training) as trace:
        vector = sentence_vectors(model(ids, types))
        if other is not None:
            torch.autograd.backward(similarities(vector, note("other_sentence_vector", other, "batch model")))
    return trace


def trace(source: ModelSource, asked: TraceAsked, watcher: Watcher) -> Traced:
    """Trace an encoder on the text `asked.input`; with `asked.like` also back from how alike the two are.

    Raises `Error` for a label, without a text, and for a text that is longer than the context.
    """
    if asked.label is not None:
        raise Error("--label says what a picture shows; a text has none")
    if asked.input is None:
        raise Error(f"say which text to trace: kqv trace {source.name} TEXT")
    return read(source, load_encoder(source), asked)


def read(source: ModelSource, loaded: LoadedEncoder, asked: TraceAsked) -> Traced:
    """Trace a loaded encoder on the text `asked.input`, as `trace`."""
    assert asked.input is not None
    pieces = loaded.tokenizer.encode(asked.input)
    other = None if asked.like is None else loaded.vectors([asked.like])
    recorded = trace_pieces(loaded.model, pieces, other, asked.training)
    _annotate(recorded, pieces, loaded)
    last = len(pieces.ids) - 1
    cells = f"--cell 'blocks.0.attention.scores[0,0,1,{last}]'"
    if other is not None:
        cells += f" --cell 'grad:tokens.weight[{pieces.ids[1]},3]'"
    return Traced(recorded, _heading(recorded, loaded, asked), cells, asked.input, folds=True)


def _annotate(recorded: Trace, pieces: Pieces, loaded: LoadedEncoder) -> None:
    """Give positions and ids their words."""
    labels = [words.visible(word) for word in pieces.words]
    for dimension in ("position", "query", "key"):
        recorded.annotate(dimension=dimension, labels=labels)
    recorded.annotate("ids", labels=[loaded.tokenizer.token_text(int(token)) for token in pieces.ids])
    recorded.annotate(dimension="vocab", labels=loaded.tokenizer.tokens)


def _heading(recorded: Trace, loaded: LoadedEncoder, asked: TraceAsked) -> str:
    tokens = recorded["ids"].sizes[-1]
    read = f"{loaded.model.describe()}\n{tokens} tokens, of which each sees all"
    if asked.like is None:
        return (
            f"{read}; an encoder predicts nothing, so there is no loss to trace back from: "
            "--like TEXT goes back from how alike the two texts are"
        )
    alike = recorded["similarity"].value.item()
    return f"{read}; similarity to {visible(asked.like)!r}: {alike:.4f}, the cosine of the two sentence vectors"
