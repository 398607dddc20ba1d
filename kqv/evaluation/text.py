"""Scores of a language model over a text, or a fixed sample of it: loss, perplexity and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kqv.data.text.tokens import Advance
from kqv.models.gpt import GPT
from kqv.models.modes import in_evaluation_mode

TOKENS_AT_ONCE = 8192
LOGITS_AT_ONCE = 1 << 25
"""Numbers: a token has one for each of the vocabulary, and they are held two or three times while they are scored."""


@dataclass(frozen=True)
class TextScores:
    """Scores of a model of text: `loss` in nats for each token, and how many `tokens` were predicted."""

    loss: float
    tokens: int
    bytes_per_token: float

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model is undecided, on average."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """The loss in bits for each byte of the text, which models with different vocabularies can be compared by."""
        return self.loss / math.log(2) / self.bytes_per_token


@torch.no_grad()
def score_text(
    model: GPT, ids: npt.NDArray[Any], context: int, bytes_per_token: float, device: torch.device, *,
    sample: int | None = None, advance: Advance | None = None,
) -> TextScores:  # fmt: skip
    """Score a model on a text of `ids`: windows of `context` tokens side by side, every token but the first predicted
    once. The model is left in its mode.

    `sample`: of a text with more tokens to predict than this, about so many: whole windows, evenly spread and always
    the same. `advance` is told between two passes how many tokens are scored of how many; what it raises ends it.
    """
    predicted = sampled(len(ids) - 1, context, sample)
    done, total = 0, 0.0
    with in_evaluation_mode(model):
        for starts, length in _windows(len(ids) - 1, context, predicted, LOGITS_AT_ONCE // model.vocab):
            tokens = torch.from_numpy(ids[starts[:, None] + np.arange(length + 1)].astype(np.int64)).to(device)
            loss = model.loss(model(tokens[:, :-1]), tokens[:, 1:])  # no name for the logits, which are large
            total += float(loss) * len(starts) * length
            done += len(starts) * length
            if advance is not None and done < predicted:
                advance(done, predicted)
    return TextScores(total / predicted, predicted, bytes_per_token)


def sampled(predicted: int, context: int, sample: int | None) -> int:
    """How many of `predicted` tokens `score_text` predicts."""
    if sample is None or sample >= predicted:
        return predicted
    return max(1, sample // context) * context


def _windows(predicted: int, context: int, wanted: int, most: int) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """First tokens of several windows at once, of at most so many tokens but of one window at least, and the windows'
    length; a whole text's last window may be shorter."""
    whole = predicted // context
    count = whole if wanted == predicted else wanted // context
    firsts = np.arange(count) * whole // max(1, count) * context
    at_once = max(1, min(TOKENS_AT_ONCE, most) // context)
    for start in range(0, count, at_once):
        yield firsts[start : start + at_once], context
    if wanted == predicted and predicted % context:
        yield np.array([whole * context]), predicted % context
