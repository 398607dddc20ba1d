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
from kqv.generation.fast_step import FastStep, keeping
from kqv.generation.obstacles import obstacle_in, require_usual
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
    """Keeps keys and values of what it has read, so that a token costs the computation of one position.

    A token after the first is computed by the fast step where the model has the usual parts and nobody looks inside
    (`kqv.generation.obstacles`). That reads its matrices as `weights` says, one of `kqv.generation.weights`; texts that
    are begun, and what is recorded, are read with the model's own. The model may be trained further between two texts.
    Raises `Error` for weights that do not exist, and for others than float32 where the model has an obstacle.
    """

    def __init__(self, model: GPT, weights: str = "float32") -> None:
        super().__init__(model)
        self.weights = require_usual(model, weights)
        self._cache: Cache | None = None
        self._step: FastStep | None = None
        self._state: list[tuple[int, int]] = []
        self._may_have_changed = True

    def _begin(self) -> Tensor:
        if self._cache is None or self._cache.batch != len(self._window):
            self._cache = self.model.new_cache(len(self._window))
        self._cache.clear()
        self._may_have_changed = True
        return self._last_logits(self._window, self._cache)

    def _extend(self) -> Tensor:
        if self._may_have_changed:
            self._renew()
        if self._step is None or self._cache is None or recording() or torch.is_autocast_enabled("cpu"):
            return self._last_logits(self._window[:, -1:], self._cache)
        return self._step(self._window[:, -1], self._cache).clone()

    def _renew(self) -> None:
        """A fast step of the model as it is now; none where there is an obstacle."""
        self._may_have_changed = False
        state = [(parameter.data_ptr(), parameter._version) for parameter in self.model.parameters()]
        if obstacle_in(self.model) is not None:
            self._step = None
        elif self._step is None or state != self._state:
            self._step, self._state = FastStep(self.model, keeping(self.model, self.weights)), state


def predictor_of(model: GPT, weights: str = "float32") -> Recomputing:
    """What writes with a model: with a key-value cache, unless its positions see later ones, which none can keep; and
    with such weights. Raises `Error` as `Cached`."""
    if not model.sees_later or weights != "float32":
        return Cached(model, weights)
    return Recomputing(model)
