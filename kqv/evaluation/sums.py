"""How many sums a model gets right, over a whole set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kqv.data.sums import Pairs, answer_at
from kqv.data.text.tokens import Advance
from kqv.models.gpt import GPT
from kqv.models.modes import in_evaluation_mode

AT_ONCE = 1000


@dataclass(frozen=True)
class SumScores:
    """Of so many `pairs`: for each whether its whole sum is `right[pair]`, through how many digits its longest carry
    runs, `chains[pair]`, and the mean `loss` of the sums' digits in nats."""

    right: npt.NDArray[np.bool_]
    chains: npt.NDArray[np.int64]
    loss: float

    @property
    def pairs(self) -> int:
        """How many there are."""
        return len(self.right)

    @property
    def exact(self) -> int:
        """How many sums are right, to the last digit."""
        return int(self.right.sum())

    @property
    def exact_match(self) -> float:
        """Which fraction is right, to the last digit."""
        return self.exact / self.pairs

    def by_chain(self) -> dict[int, tuple[int, int]]:
        """How many are right of how many, by the length of their longest carry."""
        return {
            int(length): (int(self.right[self.chains == length].sum()), int((self.chains == length).sum()))
            for length in np.unique(self.chains)
        }


def score_sums(model: GPT, pairs: Pairs, device: torch.device, advance: Advance | None = None) -> SumScores:
    """Score a model on pairs; `advance` is told how many are done of how many.

    All digits of a sum are predicted at once, each after the right ones before it. A sum is right then if and only if
    it is right when the model goes on from its own digits: as long as these are right, they are the same.
    """
    right, losses = [], []
    with in_evaluation_mode(model), torch.no_grad():
        for first in range(0, len(pairs), AT_ONCE):
            ids = torch.from_numpy(pairs[first : first + AT_ONCE].tokens()).to(device)
            logits, answers = answer_logits(model, ids[:, :-1]), answers_of(ids)
            right.append((logits.argmax(-1) == answers).all(-1).cpu().numpy())
            losses.append(float(model.loss(logits, answers)) * len(ids))
            if advance is not None:
                advance(min(first + AT_ONCE, len(pairs)), len(pairs))
    return SumScores(np.concatenate(right), pairs.chains(), sum(losses) / len(pairs))


def answers_of(ids: Tensor) -> Tensor:
    """The sums' digits `[batch, digit]` of whole sums `ids[batch, position]`."""
    return ids[:, answer_at(ids.shape[1] // 3 - 1) :]


def answer_logits(model: nn.Module, read: Tensor) -> Tensor:
    """The logits of the sums' digits, `[batch, digit, vocab]`, where all of a sum but its last digit is
    `read[batch, position]`. Those of the two numbers are left out: they could be any."""
    logits: Tensor = model(read)
    return logits[:, answer_at(read.shape[1] // 3) - 1 :]
