"""An encoder with its tokenizer, as `kqv.load` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kqv.data.text.word_pieces import WordPieces
from kqv.interchange import bert
from kqv.models.bert import BERT
from kqv.models.sentence_vectors import sentence_vectors, unit_vectors
from kqv.systems.encoder.passage import passage_of
from kqv.systems.source import ModelSource
from kqv.why.why import Why


@dataclass(frozen=True, eq=False)
class LoadedEncoder:
    """A trained encoder, in evaluation mode, with its tokenizer."""

    model: BERT
    tokenizer: WordPieces

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Tensor:
        """A vector of length 1 for each text, `[batch, model]`: `a @ b` of two of them is how alike they are.

        Raises `Error` for a text that goes past the context, `DataError` for no texts.
        """
        padded = self.tokenizer.encode_together(texts)
        device = self.model.tokens.weight.device
        ids, types, present = (torch.from_numpy(one).to(device) for one in (padded.ids, padded.types, padded.present))
        return unit_vectors(sentence_vectors(self.model(ids, types, present), present))

    def why(self, text: str) -> Why:
        """Why a head looks where it looks in a text. Raises `Error` for a text that goes past the context."""
        return Why(passage_of(self.model, self.tokenizer, text))


def load_encoder(source: ModelSource, best: bool = False) -> LoadedEncoder:
    """The encoder of a folder in Hugging Face's layout. Raises `Error` with `best`, `DataError` as `bert.read`."""
    source.require_one_set_of_weights(best)
    return LoadedEncoder(*bert.read(source.path))
