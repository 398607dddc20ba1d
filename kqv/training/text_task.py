"""What a GPT trains on: windows of a text's tokens, each with the tokens that come one place later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.errors import Error
from kqv.evaluation import score_text
from kqv.models.gpt import GPT
from kqv.operations import scale
from kqv.training.batches import generator
from kqv.training.distributed import ALONE, Group
from kqv.training.plans import TrainingPlan

Ids = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Windows:
    """This process's part of a step: `ids[batch, position]`, the next tokens `targets[batch, position]`, and how much
    the part counts."""

    ids: Tensor
    targets: Tensor
    weight: float


class TextTask:
    """A model that learns to say which token comes next. Raises `Error` for a text shorter than the context."""

    unit = "tokens"

    def __init__(
        self, model: GPT, context: int, train: Ids, validation: Ids, bytes_per_token: float, plan: TrainingPlan,
        device: torch.device, group: Group = ALONE,
    ) -> None:  # fmt: skip
        for name, ids in (("training", train), ("validation", validation)):
            if len(ids) < context + 1:
                raise Error(
                    f"the {name} text has {len(ids):,} tokens, and the context of {context} needs {context + 1}; give "
                    "more text, or a smaller context"
                )
        self.model, self.context, self.plan, self.group, self.device = model, context, plan, group, device
        self.train, self.validation, self.bytes_per_token = train, validation, bytes_per_token
        self.evaluate_every = plan.evaluate_every or max(1, len(train) // (plan.batch * context))
        self.work = sum(parameter.numel() for parameter in model.parameters()) * plan.batch * context
        self._compute = group.wrap(model)

    def size(self, step: int) -> int:
        """How many tokens a step sees."""
        return self.plan.batch * self.context

    def batch(self, step: int) -> Windows:
        """The windows of a step, anywhere in the training text: a fixed function of seed and step."""
        places = torch.randint(
            len(self.train) - self.context, (self.plan.batch,), generator=generator(self.plan.seed, "windows", step)
        )
        part, weight = self.group.part(self.plan.batch)
        windows = np.stack([self.train[place : place + self.context + 1] for place in places[part].tolist()])
        tokens = torch.from_numpy(windows.astype(np.int64)).to(self.device)
        return Windows(tokens[:, :-1], tokens[:, 1:], weight)

    def learn(self, batch: Windows) -> Tensor:
        """The mean cost of the windows' tokens, with its gradients in the parameters' `grad`; in as many parts as the
        plan says, which need less memory at once."""
        parts = min(self.plan.accumulation, len(batch.ids))
        losses = []
        for ids, targets in zip(batch.ids.tensor_split(parts), batch.targets.tensor_split(parts), strict=True):
            loss = self.model.loss(self._compute(ids), targets)
            share = len(ids) / len(batch.ids) * batch.weight
            loss = loss if share == 1 else scale(loss, factor=share)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return losses[0] if parts == 1 else torch.stack(losses).sum()

    def evaluate(self) -> dict[str, float]:
        """Loss, perplexity and bits per byte over the whole validation text."""
        scores = score_text(self.model, self.validation, self.context, self.bytes_per_token, self.device)
        return {"loss": scores.loss, "perplexity": scores.perplexity, "bits_per_byte": scores.bits_per_byte}

    def monitor(self) -> dict[str, float]:
        """Nothing else is measured."""
        return {}
