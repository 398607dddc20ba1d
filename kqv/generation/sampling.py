"""Sampling: from the logits of what may come next to one token.

The steps come in the order that the field uses, and each works on what the one before it left:

1. repetition penalty θ: the logit of a token that stands in the text already is divided by θ where it is positive and
   multiplied by θ where it is negative (Keskar et al. 2019, CTRL, section 4.1; the paper divides in both cases, which
   would favour repetition where logits are negative)
2. temperature T: logits / T (Ackley, Hinton, Sejnowski 1985); 0 takes the most likely token
3. top-k: the k most likely tokens (Fan et al. 2018, section 5.1)
4. top-p: the smallest set of most likely tokens whose probabilities sum to at least p (Holtzman et al. 2019, eq. (2))
5. min-p: tokens at least min-p times as likely as the most likely one (Nguyen et al. 2024)

Of equally likely tokens the one with the lower id comes first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kqv.errors import Error


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen; None leaves a step out, and a repetition penalty of 1 changes nothing.

    Raises `Error` for a value outside of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        penalty = self.repetition_penalty
        _check("temperature", "0 (the most likely token) or more", self.temperature, self.temperature >= 0)
        _check("repetition_penalty", "more than 0 (1 changes nothing)", penalty, penalty > 0)
        if self.top_k is not None:
            _check("top_k", "a whole number from 1 on", self.top_k, self.top_k >= 1 and self.top_k == int(self.top_k))
        if self.top_p is not None:
            _check("top_p", "more than 0 and at most 1", self.top_p, 0 < self.top_p <= 1)
        if self.min_p is not None:
            _check("min_p", "from 0 to 1", self.min_p, 0 <= self.min_p <= 1)

    def distribution(self, logits: Tensor, text: Sequence[int] = ()) -> Tensor:
        """Probabilities `[vocab]` from which the next token is drawn, from its logits `[vocab]`; 0 where sorted out.

        `text` holds the ids so far, for the repetition penalty. Computed in float64 on the CPU.
        """
        logits = self._penalised(logits.to("cpu", torch.float64), text)
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(), len(logits)).double()
        # the largest is subtracted first, so that a tiny temperature overflows to −∞ and never to ∞
        probabilities = torch.softmax((logits - logits.max()) / self.temperature, 0)
        if self.top_k is not None and self.top_k < len(probabilities):
            probabilities = _only(probabilities, _most_likely(probabilities, self.top_k))
        if self.top_p is not None and self.top_p < 1:
            probabilities = _only(probabilities, _nucleus(probabilities, self.top_p))
        if self.min_p is not None:
            probabilities = _only(probabilities, probabilities >= self.min_p * probabilities.max())
        return probabilities

    def _penalised(self, logits: Tensor, text: Sequence[int]) -> Tensor:
        if self.repetition_penalty == 1 or not len(text):
            return logits
        seen = torch.tensor(sorted(set(text)))
        found, penalty = logits[seen], self.repetition_penalty
        return logits.index_put((seen,), torch.where(found > 0, found / penalty, found * penalty))


def _check(name: str, expected: str, value: float, is_right: bool) -> None:
    if not is_right or not math.isfinite(value):
        raise Error(f"{name}: expected {expected}, got {value}")


def _only(probabilities: Tensor, kept: Tensor) -> Tensor:
    """The kept probabilities, which sum to 1 again."""
    probabilities = probabilities * kept
    return probabilities / probabilities.sum()


def _most_likely(probabilities: Tensor, count: int) -> Tensor:
    """Where the `count` largest probabilities stand; of equal ones the first."""
    last = probabilities.topk(count).values[-1]
    larger, equal = probabilities > last, probabilities == last
    return larger | (equal & (equal.cumsum(0) <= count - larger.sum()))


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Where the largest probabilities stand, as many as are needed for a sum of at least `top_p`."""
    ordered, positions = probabilities.sort(descending=True, stable=True)
    before = ordered.cumsum(0) - ordered
    kept = torch.zeros_like(probabilities, dtype=torch.bool)
    kept[positions[before < top_p]] = True
    return kept


@dataclass(frozen=True)
class Candidate:
    """A token that could come next: its probability by the model alone, that after the filters, and whether it came."""

    token: int
    raw: float
    kept: float
    chosen: bool


@dataclass(frozen=True, eq=False)
class Choice:
    """The token that was chosen, the model's `logits[vocab]`, and the distribution `kept[vocab]` that it came from."""

    token: int
    logits: Tensor
    kept: Tensor

    @property
    def raw(self) -> Tensor:
        """What the model alone says, `[vocab]`: softmax of its logits, without penalty, temperature and filters."""
        return torch.softmax(self.logits.to("cpu", torch.float64), 0)

    def top(self, count: int) -> list[Candidate]:
        """The most likely tokens by the model alone, so many, and the chosen one after them if it is not among them."""
        raw = self.raw
        tokens: list[int] = raw.sort(descending=True, stable=True).indices[:count].tolist()
        if self.token not in tokens:
            tokens.append(self.token)
        return [Candidate(token, float(raw[token]), float(self.kept[token]), token == self.token) for token in tokens]


def choose(logits: Tensor, text: Sequence[int], sampling: Sampling, generator: torch.Generator) -> Choice:
    """Choose a token by its logits `[vocab]` after the ids of `text`, with one random number from the generator.

    Raises `Error` where the logits are NaN or infinite.
    """
    if not math.isfinite(float(logits.max())):
        raise Error(
            "the model's logits are no finite numbers, so no token can be chosen; use weights of an earlier state"
        )
    kept = sampling.distribution(logits, text)
    return Choice(_draw(kept, generator), logits, kept)


def _draw(probabilities: Tensor, generator: torch.Generator) -> int:
    """A token drawn by its probability: the first where the sum so far exceeds a random part of the whole."""
    sums = probabilities.cumsum(0)
    target = torch.rand((), dtype=torch.float64, generator=generator) * sums[-1]
    position = int(torch.searchsorted(sums, target, right=True))
    return min(position, int(probabilities.nonzero()[-1]))  # rounding may bring the target up to the whole


def generators(seed: int, samples: int) -> list[torch.Generator]:
    """A stream of random numbers for each sample: sample 0 is the same however many are drawn beside it.

    Raises `Error` for a seed below 0.
    """
    if seed < 0:
        raise Error(f"a seed is a whole number from 0 on; got {seed}")
    sequences = [np.random.SeedSequence(seed, spawn_key=(sample,)) for sample in range(samples)]
    return [torch.Generator().manual_seed(int(s.generate_state(1, np.uint64)[0] >> np.uint64(1))) for s in sequences]
