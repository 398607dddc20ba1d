"""Cross-entropy from logits: how surprised the model is by the right answers, in nats, averaged over them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Array, Column, Constant, Expression, Index, Max, Named, Sum, exp, log
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    logits: Float[Tensor, "*rows class"],
    targets: Int[Tensor, "*targets"],
    *,
    smoothing: float = 0.0,
    ignored: int = -100,
) -> tuple[Float[Tensor, ""], Saved]:
    """Mean over the targets that are not `ignored` of −Σ_k q[k]·log p[k]; 0 where every target is ignored.

    p = softmax(logits); q is 1 − smoothing at the target plus smoothing/classes everywhere (Szegedy et al. 2015).
    Raises `DimensionError` unless each row of logits has one target.
    """
    rows = logits.reshape(-1, logits.shape[-1])
    shifted = rows - rows.amax(-1, keepdim=True)
    return _mean_surprise(logits, shifted - shifted.exp().sum(-1, keepdim=True).log(), targets, smoothing, ignored)


def _mean_surprise(
    logits: Tensor, log_probabilities: Float[Tensor, "row class"], targets: Tensor, smoothing: float, ignored: int
) -> tuple[Tensor, Saved]:
    if logits.shape[:-1] != targets.shape:
        raise DimensionError(
            f"cross_entropy: logits{list(logits.shape)} and targets{list(targets.shape)} do not belong together; "
            "expected logits[..., class] and one target for each row, targets[...]"
        )
    aims = targets.reshape(-1)
    counted = aims != ignored
    count = counted.sum().clamp(min=1)
    aims = aims.masked_fill(~counted, 0).unsqueeze(1)  # any class: its loss and gradient are set to 0
    losses = -(1 - smoothing) * log_probabilities.gather(1, aims).squeeze(1)
    if smoothing:
        losses = losses - smoothing * log_probabilities.mean(-1)
    loss = losses.masked_fill(~counted, 0.0).sum() / count
    return loss, (log_probabilities, aims, counted, count, smoothing, logits.shape)


def backward(saved: Saved, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
    """∂C/∂logits[k] = (p[k] − q[k])/count for the rows that count, 0 for the ignored ones."""
    log_probabilities, aims, counted, count, smoothing, shape = saved
    wanted = torch.full_like(log_probabilities, smoothing / shape[-1])
    wanted.scatter_add_(1, aims, torch.full_like(wanted[:, :1], 1 - smoothing))
    errors = (log_probabilities.exp() - wanted) * counted.unsqueeze(1)
    return (errors * (gradient / count)).reshape(shape), None


def kernel_forward(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, ignored: int = -100
) -> tuple[Tensor, Saved]:
    log_probabilities = torch.log_softmax(logits.reshape(-1, logits.shape[-1]), -1)
    return _mean_surprise(logits, log_probabilities, targets, smoothing, ignored)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    log_probabilities, aims, counted, count, smoothing, shape = saved
    errors = log_probabilities.exp()
    if smoothing:
        errors -= smoothing / shape[-1]
    errors.scatter_add_(1, aims, errors.new_full((len(aims), 1), smoothing - 1))
    return errors.mul_((gradient / count) * counted.unsqueeze(1)).reshape(shape), None


def _counted(call: Call) -> tuple[Array, Array]:
    """The places whose target counts, `[target, axis]`, and their targets."""
    places = list(np.ndindex(*call.targets.shape))
    targets = np.array([call.targets.integer(place) for place in places], dtype=np.int64)
    counted = targets != call.options["ignored"]
    return np.array(places, dtype=np.int64).reshape(len(places), len(call.targets.shape))[counted], targets[counted]


def derive(call: Call, index: Index) -> Expression:
    places, targets = _counted(call)
    if not len(targets):
        return Constant(0.0)
    classes = call.logits.shape[-1]
    logits = call.logits.pick(*places.T[..., None], np.arange(classes)[None])
    largest = Named("max", Max(logits, 1))
    normaliser = Named("log Σexp", largest + log(Sum(exp(logits - Column(largest)), 1)))
    losses = normaliser - call.logits.pick(*places.T, targets)
    smoothing = float(call.options["smoothing"])
    if smoothing:
        losses = (1 - smoothing) * losses + smoothing / classes * Sum(Column(normaliser) - logits, 1)
    return Sum(losses) / float(len(targets)) if len(targets) > 1 else Sum(losses)


def derive_logits(call: Call, index: Index) -> Expression:
    *place, at = index
    target = call.targets.integer(tuple(place))
    if target == call.options["ignored"]:
        return Constant(0.0)
    logits = call.logits[*place, :]
    largest = Named("max", Max(logits))
    probability = Named("p", exp(call.logits[index] - largest) / Sum(exp(logits - largest)))
    smoothing = float(call.options["smoothing"])
    wanted = Named("q", Constant((1 - smoothing) * (target == at) + smoothing / logits.shape[0]))
    count = float((call.targets[...].values() != call.options["ignored"]).sum())
    return call.gradient[()] * (probability - wanted) / count


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
