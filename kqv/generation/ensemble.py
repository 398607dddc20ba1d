"""Encoder-decoders that translate together: the probability of a token is the mean of theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.generation.generate import Ids
from kqv.models.modes import in_evaluation_mode
from kqv.models.transformer import Transformer
from kqv.recording import recording

SPARE = 16
"""Positions that a cache has room for at first beside as many as the longest source has: a guess, it grows."""


def one_or_more(models: Transformer | Sequence[Transformer]) -> tuple[Transformer, ...]:
    """The models of an ensemble. Raises `Error` for none, and for models of different vocabularies."""
    found = (models,) if isinstance(models, Transformer) else tuple(models)
    if not found:
        raise Error("translation needs at least one model; got none")
    sizes = [(model.source_vocab, model.vocab) for model in found]
    if len(set(sizes)) > 1:
        raise Error(
            "the models of an ensemble have one vocabulary, whose probabilities are averaged; got source and target "
            f"vocabularies of {', '.join(f'{source} and {target}' for source, target in sizes)} tokens"
        )
    return found


def check_ids(models: Sequence[Transformer], name: str, ids: Ids, vocab: int, more: int = 0) -> None:
    """Raise `Error` unless these are ids of a text that every model can read, with `more` tokens before it."""
    context = min(model.context for model in models)
    if not len(ids):
        raise Error(f"{name} has no token; it has at least the one that ends it")
    if len(ids) + more > context:
        raise Error(f"{name} has {len(ids) + more} tokens; the model reads at most {context} (its context): shorten it")
    if min(ids) < 0 or max(ids) >= vocab:
        raise Error(f"{name}: ids are whole numbers from 0 to {vocab - 1}; got {min(ids)} to {max(ids)}")


@contextmanager
def translating(models: Sequence[Transformer]) -> Iterator[None]:
    """Without dropout and without gradients inside; each model in its own mode afterwards."""
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(in_evaluation_mode(model))
        # autograd's bookkeeping takes a tenth of the time; a trace needs tensors like any other
        stack.enter_context(torch.no_grad() if recording() else torch.inference_mode())
        yield


def padded(texts: Sequence[Ids], padding: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Ids `[batch, source]`, and where they are no padding; None where none is."""
    longest = max(map(len, texts))
    ids = torch.full((len(texts), longest), padding)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = torch.as_tensor(text)
    lengths = torch.tensor([len(text) for text in texts])
    present = None if min(map(len, texts)) == longest else torch.arange(longest) < lengths[:, None]
    return ids.to(device), None if present is None else present.to(device)


TOKENS_AT_ONCE = 4096
"""So many tokens of targets are read together where all are read anew."""


class Reader:
    """One model with the sources of a batch and all targets so far, equally many of each source.

    A model whose positions see later ones has no cache: it reads its targets anew for each token.
    """

    def __init__(self, model: Transformer, sources: Sequence[Ids], padding: int) -> None:
        self.model = model
        self.device = model.tokens.weight.device
        source, self.present = padded(sources, padding, self.device)
        self.encoded = model.encode(source, self.present)
        self.cache = None if model.sees_later else model.new_cache(len(source), source.shape[1] + SPARE)
        self.targets: Tensor | None = None

    def advance(self, ids: Tensor) -> Tensor:
        """Read one more token of each target, `ids[row]`; log p of what comes next, `[row, vocab]`."""
        last = ids.to(self.device)[:, None]
        if self.cache is None:
            return _log_probabilities(self._read_anew(last))
        return _log_probabilities(self.model.decode(last, self.encoded, self.present, self.cache)[:, 0])

    def _read_anew(self, last: Tensor) -> Tensor:
        """The logits after all targets so far and one token more of each, without a cache."""
        self.targets = last if self.targets is None else torch.cat((self.targets, last), 1)
        times = len(last) // len(self.encoded)
        # a few at a time: tensors that are larger at each step would leave gaps in memory that no later one fits into
        few = max(1, TOKENS_AT_ONCE // (self.targets.shape[1] * times))
        logits = []
        for first in range(0, len(self.encoded), few):
            encoded = self.encoded[first : first + few].repeat_interleave(times, 0)
            present = None
            if self.present is not None:
                present = self.present[first : first + few].repeat_interleave(times, 0)
            targets = self.targets[first * times : (first + few) * times]
            logits.append(self.model.decode(targets, encoded, present)[:, -1])
        return torch.cat(logits)

    def select(self, rows: Tensor, sources: Tensor | None) -> None:
        """Target `rows[i]` becomes target i, and source `sources[i]` source i (None: they stay as they are)."""
        if sources is not None:
            sources = sources.to(self.device)
            self.encoded = self.encoded.index_select(0, sources)
            self.present = None if self.present is None else self.present.index_select(0, sources)
        if self.cache is not None:
            self.cache.select(rows.to(self.device), sources)
        elif self.targets is not None:
            self.targets = self.targets.index_select(0, rows.to(self.device))


def mean_log_probabilities(
    models: Sequence[Transformer], source: Tensor, target: Tensor, present: Tensor | None = None
) -> Tensor:
    """log(mean over the models of p_model), `[batch, position, vocab]`: of all positions of a given target.

    Logits of one model are such up to a constant for each position, which no softmax sees: they are given as they are.
    """
    logits = [model(source, target, present) for model in models]
    return logits[0] if len(logits) == 1 else _log_of_mean(list(map(_log_probabilities, logits)))


def _log_probabilities(logits: Tensor) -> Tensor:
    """log p, in float32 at least."""
    return torch.log_softmax(logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits, -1)


def _log_of_mean(logs: list[Tensor]) -> Tensor:
    """log((Σ p)/n) from the log p of n models."""
    return torch.stack(logs).logsumexp(0) - math.log(len(logs))


class Ensemble:
    """The models of an ensemble with the sources of a batch: `advance` and `select` are a `Reader`'s, for all.

    p[token] = mean over the models of p_model[token]: probabilities are averaged, not their logarithms.
    """

    def __init__(self, models: Sequence[Transformer], sources: Sequence[Ids], padding: int) -> None:
        self.readers = [Reader(model, sources, padding) for model in models]

    def advance(self, ids: Tensor) -> Tensor:
        """Read one more token of each target, `ids[row]`; log p of what comes next, `[row, vocab]`."""
        first, *others = [reader.advance(ids) for reader in self.readers]
        if not others:
            return first
        return _log_of_mean([first, *(other.to(first) for other in others)])

    def select(self, rows: Tensor, sources: Tensor | None = None) -> None:
        """Target `rows[i]` becomes target i, and source `sources[i]` source i (None: they stay as they are)."""
        for reader in self.readers:
            reader.select(rows, sources)
