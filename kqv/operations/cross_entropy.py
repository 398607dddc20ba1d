"""Cross-entropy from logits: how surprised the model is by the right answers, in nats, averaged over them."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.arithmetic import Constant, Expression, Index, Max, Named, Sum, Total, exp, log
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, ignored: int = -100) -> tuple[Tensor, Saved]:
    """Mean over the targets that are not `ignored` of −Σ_k q[k]·log p[k]; 0 where every target is ignored.

    q is 1 − smoothing at the target plus smoothing/classes everywhere (Szegedy et al. 2015, section 7).
    """
    rows = logits.reshape(-1, logits.shape[-1])
    aims = targets.reshape(-1)
    counted = aims != ignored
    count = counted.sum().clamp(min=1)
    largest = rows.amax(-1, keepdim=True) if rows.shape[0] else rows[:, :1]
    log_probabilities = rows - largest - (rows - largest).exp().sum(-1, keepdim=True).log()
    at_target = log_probabilities.gather(1, aims.clamp(min=0).unsqueeze(1)).squeeze(1)
    losses = -(1 - smoothing) * at_target
    if smoothing:
        losses = losses - smoothing * log_probabilities.mean(-1)
    loss = losses.masked_fill(~counted, 0.0).sum() / count
    return loss, (log_probabilities, aims, counted, count, smoothing, logits.shape)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    log_probabilities, aims, counted, count, smoothing, shape = saved
    wanted = torch.full_like(log_probabilities, smoothing / shape[-1])
    wanted.scatter_add_(
        1, aims.clamp(min=0).unsqueeze(1), torch.full_like(wanted[:, :1], 1 - smoothing)
    )
    errors = (log_probabilities.exp() - wanted) * counted.unsqueeze(1)
    return (errors * (gradient / count)).reshape(shape), None


def kernel_forward(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, ignored: int = -100
) -> tuple[Tensor, Saved]:
    rows = logits.reshape(-1, logits.shape[-1])
    aims = targets.reshape(-1)
    counted = aims != ignored
    count = counted.sum().clamp(min=1)
    log_probabilities = torch.log_softmax(rows, -1)
    at_target = log_probabilities.gather(1, aims.clamp(min=0).unsqueeze(1)).squeeze(1)
    losses = -(1 - smoothing) * at_target
    if smoothing:
        losses = losses - smoothing * log_probabilities.mean(-1)
    loss = losses.masked_fill(~counted, 0.0).sum() / count
    return loss, (log_probabilities, aims, counted, count, smoothing, logits.shape)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    log_probabilities, aims, counted, count, smoothing, shape = saved
    errors = log_probabilities.exp()
    if smoothing:
        errors -= smoothing / shape[-1]
    errors.scatter_add_(1, aims.clamp(min=0).unsqueeze(1), errors.new_full((len(aims), 1), smoothing - 1))
    return errors.mul_((gradient / count) * counted.unsqueeze(1)).reshape(shape), None


def _rows(call: Call) -> tuple[list[tuple[int, ...]], list[int]]:
    """The places whose target counts, and their targets."""
    places = [place for place in call.targets.source.every_place() if call.targets.source.integer(place) != call.ignored]
    return places, [call.targets.source.integer(place) for place in places]


def _surprise(call: Call, place: tuple[int, ...], target: int) -> Expression:
    """−Σ_k q[k]·log p[k] of one target."""
    logits = call.logits[*place, :]
    largest = Named("max", Max(logits))
    normaliser = Named("log Σexp", largest + log(Sum(exp(logits - largest))))
    surprise = normaliser - call.logits[*place, target]
    if not call.smoothing:
        return surprise
    return (1 - call.smoothing) * surprise + call.smoothing / logits.shape[0] * Sum(normaliser - logits)


def derive(call: Call, index: Index) -> Expression:
    places, targets = _rows(call)
    if not places:
        return Constant(0.0)
    losses = tuple(_surprise(call, place, target) for place, target in zip(places, targets, strict=True))
    return losses[0] if len(losses) == 1 else Total(losses) / float(len(losses))


def derive_logits(call: Call, index: Index) -> Expression:
    *place, at = index
    places, targets = _rows(call)
    if tuple(place) not in places:
        return Constant(0.0)
    logits = call.logits[*place, :]
    largest = Named("max", Max(logits))
    probability = Named("p", exp(call.logits[index] - largest) / Sum(exp(logits - largest)))
    is_target = targets[places.index(tuple(place))] == at
    wanted = (1 - call.smoothing) * is_target + call.smoothing / logits.shape[0]
    return call.gradient[()] * (probability - wanted) / float(len(places))


cross_entropy = Operation(
    name="cross_entropy",
    formula="C = mean over targets of −Σ_k q[k]·log p[k], p = softmax(logits), q[target] = 1 (less label smoothing)",
    gradients={"logits": "∂C/∂logits[k] = (p[k] − q[k])/count"},
    dimensions={"logits": "... class", "targets": "...", "output": ""},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"logits": derive_logits},
    source="Nielsen, Neural Networks and Deep Learning, ch. 3, (80); label smoothing: Szegedy et al. 2015, section 7",
    precision="full",
)
