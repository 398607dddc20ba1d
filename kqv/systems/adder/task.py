"""What an adder trains on: sums, drawn anew at each step, of which it has to say the digits after the `=`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kqv.data.sums import Pairs, draw, held_out
from kqv.data.text.tokens import Advance
from kqv.evaluation.sums import answer_logits, answers_of, score_sums
from kqv.models.gpt import GPT
from kqv.operations import scale
from kqv.systems.adder.recipes import AdderRecipe
from kqv.training.batches import seed_of
from kqv.training.distributed import ALONE, Group


@dataclass(frozen=True, eq=False)
class Sums:
    """This process's part of a step: whole sums `ids[batch, position]`, and how much the part counts."""

    ids: Tensor
    weight: float


class AdderTask:
    """A model that learns to write the digits of a sum."""

    scores = ("loss", "exact_match")

    def __init__(self, model: GPT, recipe: AdderRecipe, device: torch.device, group: Group = ALONE) -> None:
        self.model, self.plan, self.data = model, recipe.training, recipe.data
        self.device, self.group = device, group
        self.validation = held_out(self.data.validation, self.data.digits, "validation")
        self.epoch = trained_pairs(self.data.digits) / self.plan.batch
        self.evaluate_every = self.plan.evaluate_every or 500
        self.work = sum(parameter.numel() for parameter in model.parameters()) * self.plan.batch * model.context
        self._compute = group.wrap(model)

    def size(self, step: int) -> int:
        """How many sums a step sees."""
        return self.plan.batch

    def pairs(self, step: int) -> Pairs:
        """The pairs of a step: a fixed function of seed and step."""
        chance = np.random.default_rng(seed_of(self.plan.seed, "sums", step))
        return draw(self.plan.batch, self.data.digits, "train", chance, self.data.short, self.data.nines)

    def batch(self, step: int) -> Sums:
        """This process's part of the step's sums."""
        part, weight = self.group.part(self.plan.batch)
        return Sums(torch.from_numpy(self.pairs(step)[part].tokens()).to(self.device), weight)

    def learn(self, batch: Sums) -> Tensor:
        """The mean cost of the sums' digits, with its gradients in the parameters' `grad`."""
        loss = self.model.loss(answer_logits(self._compute, batch.ids[:, :-1]), answers_of(batch.ids))
        loss = loss if batch.weight == 1 else scale(loss, factor=batch.weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def evaluate(self, advance: Advance | None = None) -> dict[str, float]:
        """Loss and exact matches over the validation pairs."""
        scores = score_sums(self.model, self.validation, self.device, advance)
        return {"loss": scores.loss, "exact_match": scores.exact_match}

    def monitor(self) -> dict[str, float]:
        """Nothing else is measured."""
        return {}


def trained_pairs(digits: int) -> float:
    """How many pairs there are to train on: about eight tenths of all."""
    return float(8 * 10 ** (2 * digits - 1))
