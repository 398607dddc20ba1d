"""What a translator trains on: batches of pairs; it reads the source, and says after each target token the next one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from kqv.data.parallel.pairs import Form, Pairs
from kqv.data.parallel.sentences import BEGIN, END
from kqv.data.text.codec import Ids
from kqv.data.text.tokens import Advance
from kqv.errors import Error
from kqv.evaluation.translation import score_translations
from kqv.generation.beam_search import BeamSearch
from kqv.generation.ensemble import mean_log_probabilities
from kqv.models.modes import in_evaluation_mode
from kqv.models.transformer import Transformer
from kqv.operations import add, scale, symmetric_divergence
from kqv.recording import note
from kqv.systems.translation.batches import MULTIPLE, DrawnBatches, TokenBatches, rounded
from kqv.systems.translation.recipes import LossPlan
from kqv.systems.translation.translating import translate_sentences
from kqv.systems.translation.vocabularies import EncodedPairs, Vocabularies
from kqv.training.compiling import compiled
from kqv.training.distributed import ALONE, Group
from kqv.training.plans import TrainingPlan

LEAST_BETWEEN = 100
"""Steps that lie between evaluations at least, unless the recipe says how many: of few pairs an epoch is short."""

PADDING = -100
"""In targets, where there is none."""

MOST_SCORED = 1_100
"""Validation pairs that are translated at an evaluation, at most; Multi30k has 1,014."""


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's part of a step: `source[batch, source]`, of which `present` is no padding; what the decoder reads,
    `given[batch, position]`, the tokens that follow, `targets[batch, position]`, and how much the part counts."""

    source: Tensor
    present: Tensor | None
    given: Tensor
    targets: Tensor
    weight: float = 1.0

    def twice(self) -> Batch:
        """Each pair a second time, behind all others."""
        present = None if self.present is None else torch.cat((self.present, self.present))
        source, given, targets = (torch.cat((part, part)) for part in (self.source, self.given, self.targets))
        return Batch(source, present, given, targets, self.weight)


def batch_of(
    pairs: EncodedPairs, device: torch.device, weight: float = 1.0, length: Callable[[int], int] = int
) -> Batch:
    """Pairs as a batch, padded with `END`; the decoder's input is the target moved by one, with `BEGIN` before it.

    `length`: what becomes of the longest sentence's length.
    """
    source = _padded([source for source, _ in pairs], END, length)
    targets = _padded([target for _, target in pairs], PADDING, length)
    given = np.concatenate((np.full((len(pairs), 1), BEGIN), np.where(targets == PADDING, END, targets)[:, :-1]), 1)
    lengths = np.array([len(source) for source, _ in pairs])
    present = np.arange(source.shape[1]) < lengths[:, None]
    seen = None if present.all() else torch.from_numpy(present).to(device)
    found = (torch.from_numpy(part).to(device) for part in (source, given, targets))
    source_ids, given_ids, target_ids = found
    return Batch(source_ids, seen, given_ids, target_ids, weight)


def _padded(rows: Sequence[Ids], padding: int, length: Callable[[int], int]) -> Any:
    table = np.full((len(rows), length(max(map(len, rows)))), padding, dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


class _Computed(nn.Module):
    """The whole pass as one module, which can be compiled and shared by several processes."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, given: Tensor, present: Tensor | None) -> Tensor:
        return self.model(source, given, present)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Scored:
    """Validation `pairs` of sentences that are translated at each evaluation, and what the scores need to know."""

    pairs: Pairs
    vocabularies: Vocabularies
    form: Form
    language: str


class TrainingPairs(Protocol):
    """What is trained on: `whole`, as it is usually cut into tokens, and as it is in an epoch."""

    whole: EncodedPairs

    def of_epoch(self, epoch: int) -> EncodedPairs:
        """The tokens of all pairs as they are in an epoch: `whole` itself where they are always the same."""


def _batches(train: TrainingPairs, plan: TrainingPlan, width: int) -> TokenBatches:
    """Batches by the lengths that the pairs have: always the same ones, or others in each epoch."""
    if train.of_epoch(0) is train.whole:
        return TokenBatches(lengths_of(train.whole), plan.batch, plan.seed, width)
    return DrawnBatches(lambda epoch: lengths_of(train.of_epoch(epoch)), plan.batch, plan.seed, width)


class TranslationTask:
    """A Transformer that learns to translate; with pairs to score it is also told how well it translates them.

    Raises `Error` for pairs longer than the model's context, and for a precision or a compiler that the machine lacks.
    """

    unit = "tokens"

    def __init__(
        self, model: Transformer, train: TrainingPairs, validation: EncodedPairs, plan: TrainingPlan,
        loss: LossPlan, device: torch.device, group: Group = ALONE, scored: Scored | None = None,
        bucket_width: int = MULTIPLE,
    ) -> None:  # fmt: skip
        if plan.precision == "float16":
            raise Error("a translator trains in float32 or bfloat16; choose one of them with --precision")
        self.model, self.plan, self.loss_plan, self.device, self.group = model, plan, loss, device, group
        self.train, self.validation, self.scored = train, validation, scored
        self.scores = ("loss", "perplexity", *(() if scored is None else ("bleu", "exact_match")))
        self.batches = _batches(train, plan, bucket_width)
        self.checked = TokenBatches(lengths_of(validation), plan.batch, plan.seed)
        self.epoch = float(self.batches.per_epoch)
        self.evaluate_every = plan.evaluate_every or max(self.batches.per_epoch, LEAST_BETWEEN)
        # a model that has learned little does not end its sentences
        longest = min(model.context, 2 * int(lengths_of(validation)[:, 1].max()))
        self.search = BeamSearch(beams=1, longest=longest)
        self.work = sum(parameter.numel() for parameter in model.parameters()) * plan.batch
        self._compute = group.wrap(compiled(_Computed(model)) if plan.compile else _Computed(model), model)

    def size(self, step: int) -> int:
        """How many tokens of the target side a step sees."""
        return self.batches.size(step)

    def batch(self, step: int) -> Batch:
        """The pairs of a step: a fixed function of seed and step."""
        numbers = self.batches.pairs(step)
        part, _ = self.group.part(len(numbers))
        pairs = self.train.of_epoch(step // self.batches.per_epoch)
        own = [pairs[number] for number in numbers[part]]
        weight = self._weight([len(pairs[number][1]) for number in numbers], part)
        return batch_of(own, self.device, weight, self._rounded)

    def _rounded(self, length: int) -> int:
        return max(length, min(rounded(length), self.model.context))

    def _weight(self, tokens: list[int], part: slice) -> float:
        """How much a part's mean over its targets' tokens counts, so that the parts' make the mean over all tokens of
        the batch, as they are cut in this epoch; `tokens[pair]` of them."""
        if self.group.size == 1:
            return 1.0
        if len(tokens) < self.group.size and not self.group.part(len(tokens))[1]:
            return 0.0
        return sum(tokens[part]) * self.group.size / sum(tokens)

    def learn(self, batch: Batch) -> Tensor:
        """The mean cost of the targets' tokens, with its gradients in the parameters' `grad`."""
        with self._precision():
            loss = self._loss_of_two_passes(batch) if self.loss_plan.r_drop else self._loss(batch)[0]
        counted = loss if batch.weight == 1 else scale(loss, factor=batch.weight)
        counted.backward()  # type: ignore[no-untyped-call]
        return counted.detach()

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The mean cost of a batch, and its logits."""
        logits = self._compute(batch.source, batch.given, batch.present)
        return self.model.loss(logits, batch.targets, PADDING, self.loss_plan.smoothing), logits

    def _loss_of_two_passes(self, batch: Batch) -> Tensor:
        """½·(C₁ + C₂), which is the mean over both, and what it costs that the passes disagree: see `LossPlan`."""
        loss, logits = self._loss(batch.twice())
        first, second = logits.chunk(2)
        divergence = note("divergence", symmetric_divergence(first, second, batch.targets, ignored=PADDING), "")
        return add(loss, scale(divergence, factor=self.loss_plan.r_drop))

    def _precision(self) -> AbstractContextManager[Any]:
        if self.plan.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.plan.precision))

    def evaluate(self, advance: Advance | None = None) -> dict[str, float]:
        """Loss and perplexity of the validation pairs' targets, each token once, without smoothing; BLEU and the
        fraction of exact matches of greedy translations."""
        loss = mean_loss([self.model], self.validation, self.checked, self.device, advance)
        return {"loss": loss, "perplexity": math.exp(loss), **self._translated(advance)}

    def _translated(self, advance: Advance | None) -> dict[str, float]:
        if self.scored is None:
            return {}
        sources, references = zip(*self.scored.pairs, strict=True)
        scores = score_translations(
            self._greedy(sources, advance), references, form=self.scored.form, language=self.scored.language
        )
        return {"bleu": scores.bleu, "exact_match": scores.exact_match}

    def _greedy(self, sources: Sequence[str], advance: Advance | None = None) -> list[str]:
        assert self.scored is not None
        found = translate_sentences([self.model], self.scored.vocabularies, sources, self.search, advance=advance)
        return [best[0].text for best in found]

    def sample(self, tokens: int) -> str:
        """A validation sentence and its translation."""
        if self.scored is None:
            return ""
        source = self.scored.pairs[0][0]
        return f"{source} → {self._greedy([source])[0]}"

    def monitor(self) -> dict[str, float]:
        """Nothing else is measured."""
        return {}


@torch.no_grad()
def mean_loss(
    models: Sequence[Transformer], pairs: EncodedPairs, batches: TokenBatches, device: torch.device,
    advance: Advance | None = None,
) -> float:  # fmt: skip
    """Nats per token of the pairs' targets, each told the right tokens before it; padding left out.

    Of several models −log of the mean of their probabilities.
    """
    total, count, done = 0.0, 0, 0
    with ExitStack() as modes:
        for model in models:
            modes.enter_context(in_evaluation_mode(model))
        for step in range(batches.per_epoch):
            numbers = batches.pairs(step)
            batch = batch_of([pairs[number] for number in numbers], device)
            tokens = batches.size(step)
            logits = mean_log_probabilities(models, batch.source, batch.given, batch.present)
            total += float(models[0].loss(logits, batch.targets, PADDING)) * tokens
            count, done = count + tokens, done + len(numbers)
            if advance is not None and done < len(pairs):
                advance(done, len(pairs))
    return total / count


def lengths_of(pairs: EncodedPairs) -> Any:
    """How many tokens each side has: `lengths[pair, side]`."""
    return np.array([[len(source), len(target)] for source, target in pairs])
