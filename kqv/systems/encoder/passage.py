"""An encoder and a text that it reads, to be asked why."""

from __future__ import annotations

import torch

from kqv.data.text.word_pieces import WordPieces
from kqv.models.bert import BERT
from kqv.trace.views import words
from kqv.why.passage import Passage


def passage_of(model: BERT, tokenizer: WordPieces, text: str) -> Passage:
    """A text as an encoder reads it. Raises `Error` for one that goes past the context."""
    pieces = tokenizer.encode(text)
    labels = [words.visible(word) for word in pieces.words]
    device = model.tokens.weight.device
    inputs = tuple(torch.from_numpy(one)[None].to(device) for one in (pieces.ids, pieces.types))
    return Passage(
        model, inputs, lambda path, dimension: labels, None, lambda other: passage_of(model, tokenizer, other)
    )  # fmt: skip
