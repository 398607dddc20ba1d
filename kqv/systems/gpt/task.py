"""What a GPT trains on: windows of a text's tokens, each with the tokens that come one position later."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.data.text.tokenizers import Tokenizer
from kqv.data.text.tokens import Advance
from kqv.errors import DataError, Error
from kqv.evaluation.text import sampled, score_text
from kqv.generation.generate import complete
from kqv.generation.predictor import predictor_of
from kqv.models.gpt import GPT
from kqv.models.modes import in_evaluation_mode
from kqv.operations import scale
from kqv.tensors import Tensors
from kqv.training.batches import generator, seed_of
from kqv.training.compiling import compiled
from kqv.training.distributed import ALONE, Group
from kqv.training.flops import flops_per_token
from kqv.training.loss_scale import LossScale
from kqv.training.plans import TrainingPlan

Ids = npt.NDArray[Any]

SAMPLE = 250_000
"""Tokens of a longer validation text that are scored while training; a shorter one is scored whole."""

LEAST_SAMPLE = 8192
"""Tokens that a sample has at least, however short the training."""

SHARE_OF_ALL = 0.1
"""A validation text is scored whole at the end where that takes at most this share of what the training computed."""

PASSES = 3
"""What a training step computes for a token, in forward passes: one, and a backward pass of twice as much."""


@dataclass(frozen=True, eq=False)
class Windows:
    """This process's part of a step: `ids[batch, position]`, the next tokens `targets[batch, position]`, and how much
    the part counts."""

    ids: Tensor
    targets: Tensor
    weight: float


class TextTask:
    """A model that learns to say which token comes next; with a tokenizer it can write a sample.

    Raises `Error` for a text shorter than the context, and for a precision or a compiler that the machine lacks.
    """

    unit = "tokens"
    scores = ("loss", "perplexity", "bits_per_byte")

    def __init__(
        self, model: GPT, context: int, train: Ids, validation: Ids, bytes_per_token: float, plan: TrainingPlan,
        device: torch.device, group: Group = ALONE, tokenizer: Tokenizer | None = None,
    ) -> None:  # fmt: skip
        for name, ids in (("training", train), ("validation", validation)):
            if len(ids) < context + 1:
                raise Error(
                    f"the {name} text has {len(ids):,} tokens, and the context of {context} needs {context + 1}; give "
                    f"at least {-(-(context + 1) // len(ids)) if len(ids) else context + 1} times as much text"
                )
        if plan.precision == "float16" and device.type == "cpu":
            raise Error("float16 needs a GPU; on a CPU choose --precision bfloat16 or float32")
        self.model, self.context, self.plan, self.group, self.device = model, context, plan, group, device
        self.train, self.validation, self.bytes_per_token = train, validation, bytes_per_token
        self.tokenizer = tokenizer
        self.held_out = len(validation) - 1
        sample = None if self.held_out <= SAMPLE else plan.evaluation_tokens or SAMPLE
        self.evaluated = sampled(self.held_out, context, sample)
        self.scale = LossScale() if plan.precision == "float16" else None
        self.epoch = len(train) / (plan.batch * context)
        self.evaluate_every = plan.evaluate_every or max(1, round(self.epoch))
        self.work = sum(parameter.numel() for parameter in model.parameters()) * plan.batch * context
        self.flops = flops_per_token(model, context) * plan.batch * context
        self._compute = group.wrap(compiled(model) if plan.compile else model)

    def size(self, step: int) -> int:
        """How many tokens a step sees."""
        return self.plan.batch * self.context

    def batch(self, step: int) -> Windows:
        """The windows of a step, anywhere in the training text: a fixed function of seed and step."""
        positions = torch.randint(
            len(self.train) - self.context, (self.plan.batch,), generator=generator(self.plan.seed, "windows", step)
        )
        part, weight = self.group.part(self.plan.batch)
        windows = np.stack(
            [self.train[position : position + self.context + 1] for position in positions[part].tolist()]
        )
        tokens = torch.from_numpy(windows.astype(np.int64)).to(self.device)
        return Windows(tokens[:, :-1], tokens[:, 1:], weight)

    def learn(self, batch: Windows) -> Tensor:
        """The mean cost of the windows' tokens, with its gradients in the parameters' `grad`; in as many parts as the
        plan says, which need less memory at once. In float16 no gradients where one of them overflowed."""
        parts = min(self.plan.accumulation, len(batch.ids))
        enlarged = 1.0 if self.scale is None else self.scale.factor
        losses = []
        for ids, targets in zip(batch.ids.tensor_split(parts), batch.targets.tensor_split(parts), strict=True):
            with self._precision():
                loss = self.model.loss(self._compute(ids), targets)
            share = len(ids) / len(batch.ids) * batch.weight
            (loss if share * enlarged == 1 else scale(loss, factor=share * enlarged)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach() if share == 1 else share * loss.detach())
        if self.scale is not None:
            self.scale.undo(list(self.model.parameters()))
        return losses[0] if parts == 1 else torch.stack(losses).sum()

    def _precision(self) -> AbstractContextManager[Any]:
        """In which numbers products are computed; a cast weight is not kept beyond the pass (Micikevicius et al.)."""
        if self.plan.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.plan.precision))

    def sample(self, tokens: int) -> str:
        """What the model writes after a new line (where the vocabulary has none, after the validation text's first
        token), always by the same chance; `""` without a tokenizer."""
        if self.tokenizer is None:
            return ""
        try:
            ids = self.tokenizer.encode("\n")
        except DataError:
            ids = self.validation[:1]
        with in_evaluation_mode(self.model):
            seed = seed_of(self.plan.seed, "sample", 0)
            return complete(predictor_of(self.model), self.tokenizer, ids, tokens, seed=seed)[0]

    def state(self) -> Tensors:
        """What a checkpoint has to keep: in float16 the scale of the loss."""
        return {} if self.scale is None else self.scale.state()

    def restore(self, state: Tensors, origin: str) -> None:
        """Put back a state that `state` gave."""
        if self.scale is not None:
            self.scale.restore(state, origin)

    def evaluate(self, advance: Advance | None = None) -> dict[str, float]:
        """Loss, perplexity and bits per byte over the validation text, or over a fixed sample of a long one; `tokens`
        says how many were predicted."""
        return self._scores(self.evaluated, advance)

    def evaluate_all(self, advance: Advance | None = None) -> dict[str, float]:
        """The same over the whole validation text."""
        return self._scores(self.held_out, advance)

    def _scores(self, tokens: int, advance: Advance | None) -> dict[str, float]:
        scores = score_text(
            self.model, self.validation, self.context, self.bytes_per_token, self.device,
            sample=tokens, advance=advance,
        )  # fmt: skip
        return {
            "loss": scores.loss, "perplexity": scores.perplexity, "bits_per_byte": scores.bits_per_byte,
            "tokens": scores.tokens,
        }  # fmt: skip

    def evaluate_less(self, examples: int) -> None:
        """Score about so many tokens of a long validation text from now on; a short one is scored whole as before."""
        if self.evaluated < self.held_out:
            self.evaluated = sampled(self.held_out, self.context, max(LEAST_SAMPLE, min(examples, self.evaluated)))

    def ends_with_all(self, steps: int) -> bool:
        """Whether a long validation text is scored whole after so many steps."""
        computed = PASSES * steps * self.plan.batch * self.context
        return self.evaluated < self.held_out <= SHARE_OF_ALL * computed

    def monitor(self) -> dict[str, float]:
        """Nothing else is measured."""
        return {}
