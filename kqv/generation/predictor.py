"""The narrow interface of generation: tokens so far to next logits.

Past the context both predictors do the same. Of a longer beginning the last `context` tokens are read. When the window
is full and a token comes, the older half is forgotten and the rest, with the new token last, is read anew from the
first position. So a refill is paid for once in context/2 tokens, where forgetting a single token would cost one for
each; what the model sees is at least half of its context.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from kqv.errors import DimensionError, Error
from kqv.models.cache import Cache
from kqv.models.gpt import GPT
from kqv.models.modes import in_evaluation_mode
from kqv.recording import recording


class Predictor(Protocol):
    """Says for several texts at once what may come next; `vocab` and `context` are its model's."""

    @property
    def vocab(self) -> int: ...

    @property
    def context(self) -> int: ...

    def prefill(self, ids: Tensor) -> Tensor:
        """Begin with the texts `ids[batch, position]`, of which the last `context` tokens are read; the logits of what
        comes next, `[batch, vocab]`."""

    def advance(self, ids: Tensor) -> Tensor:
        """Go on with one token of each text, `ids[batch]`; the logits of what comes next, `[batch, vocab]`."""


class Recomputing:
    """Reads its whole window anew for each token: slow, and what `Cached` is measured against."""

    def __init__(self, model: GPT) -> None:
        self.model = model
        self.vocab = model.vocab
        self.context = model.context
        self._window = torch.empty(0, 0, dtype=torch.int64)

    def prefill(self, ids: Tensor) -> Tensor:
        """Raises `Error` for texts without a token, `DimensionError` for other shapes."""
        if ids.dim() != 2:
            raise DimensionError(f"prefill takes ids[batch, position]; got a tensor of shape {list(ids.shape)}")
        if not ids.shape[1]:
            raise Error("a text begins with at least one token; got none")
        self._window = ids[:, -self.context :].to(self.model.tokens.weight.device)
        return self._begin()

    def advance(self, ids: Tensor) -> Tensor:
        """Raises `Error` before `prefill`, `DimensionError` for another number of texts than it had."""
        window = self._window
        if not window.numel():
            raise Error("nothing has been read yet: call prefill with the beginning of the texts before advance")
        if ids.shape != (len(window),):
            raise DimensionError(f"advance takes ids[batch={len(window)}]; got a tensor of shape {list(ids.shape)}")
        is_full = window.shape[1] == self.context
        self._window = torch.cat((window, ids.to(window).unsqueeze(1)), 1)
        if is_full:
            self._window = self._window[:, -max(1, self.context // 2) :]
            return self._begin()
        return self._extend()

    def _begin(self) -> Tensor:
        return self._last_logits(self._window)

    def _extend(self) -> Tensor:
        return self._begin()

    def _last_logits(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits `[batch, vocab]` after the last of `ids[batch, position]`; the head works for that position alone."""
        with in_evaluation_mode(self.model):
            if recording():  # the trace names tensors by the call of the model that they belong to
                with torch.no_grad():
                    logits: Tensor = self.model(ids, cache)
                    return logits[:, -1]
            with torch.inference_mode():  # autograd's bookkeeping takes a tenth of a token's time
                logits = self.model.head(self.model.read(ids, cache)[:, -1:])[:, 0]
            return logits.clone()  # a tensor like any other


class Cached(Recomputing):
    """Keeps keys and values of what it has read, so that a token costs the computation of one position."""

    def __init__(self, model: GPT) -> None:
        super().__init__(model)
        self._cache: Cache | None = None

    def _begin(self) -> Tensor:
        if self._cache is None or self._cache.batch != len(self._window):
            self._cache = self.model.new_cache(len(self._window))
        self._cache.clear()
        return self._last_logits(self._window, self._cache)

    def _extend(self) -> Tensor:
        return self._last_logits(self._window[:, -1:], self._cache)


def predictor_of(model: GPT) -> Recomputing:
    """What writes with a model: with a key-value cache, unless its positions see later ones, which none can keep."""
    return Recomputing(model) if model.sees_later else Cached(model)
