"""Cross-entropy from logits: how surprised the model is by the right answers, in nats, averaged over them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import (
    Answer,
    Array,
    Column,
    Constant,
    Expression,
    Index,
    Max,
    Named,
    Sum,
    all_but,
    both,
    equals,
    exceeds,
    exp,
    log1p,
    same,
    when,
)
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
    largest, at = rows.max(-1, keepdim=True)
    # the largest one's own exponential is 1, beside which single precision loses what is small: so it stands outside
    others = (rows - largest).exp().scatter(1, at, 0.0).sum(-1, keepdim=True)
    log_probabilities = rows - largest - others.log1p()
    aims, counted, count = _aims(logits, targets, ignored)
    return _mean_surprise(log_probabilities, aims, counted, count, smoothing, logits.shape)


def _aims(logits: Tensor, targets: Tensor, ignored: int) -> tuple[Tensor, Tensor, Tensor]:
    """The targets `[row, 1]`, which of them count, and how many do."""
    if logits.shape[:-1] != targets.shape:
        raise DimensionError(
            f"cross_entropy: logits{list(logits.shape)} and targets{list(targets.shape)} do not belong together; "
            "expected logits[..., class] and one target for each row, targets[...]"
        )
    aims = targets.reshape(-1)
    counted = aims != ignored
    # of the ignored any class: its loss and gradient are set to 0
    return aims.masked_fill(~counted, 0).unsqueeze(1), counted, counted.sum().clamp(min=1)


def _mean_surprise(
    log_probabilities: Float[Tensor, "row class"], aims: Tensor, counted: Tensor, count: Tensor, smoothing: float,
    shape: torch.Size,
) -> tuple[Tensor, Saved]:  # fmt: skip
    losses = -(1 - smoothing) * log_probabilities.gather(1, aims).squeeze(1)
    if smoothing:
        losses = losses - smoothing * log_probabilities.mean(-1)
    loss = losses.masked_fill(~counted, 0.0).sum() / count
    return loss, (log_probabilities, aims, counted, count, smoothing, shape)


def backward(saved: Saved, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
    """∂C/∂logits[k] = (p[k] − q[k])/count for the rows that count, 0 for the ignored ones."""
    log_probabilities, aims, counted, count, smoothing, shape = saved
    classes = shape[-1]
    errors = log_probabilities.exp() - smoothing / classes
    # at the target p − 1 = expm1(log p), which keeps its digits where p is nearly 1
    at_target = log_probabilities.gather(1, aims).expm1() + smoothing * (1 - 1 / classes)
    errors = errors.scatter(1, aims, at_target) * counted.unsqueeze(1)
    return (errors * (gradient / count)).reshape(shape), None


def kernel_forward(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, ignored: int = -100
) -> tuple[Tensor, Saved]:
    aims, counted, count = _aims(logits, targets, ignored)
    rows = logits.reshape(-1, logits.shape[-1])
    log_probabilities = torch.log_softmax(rows, -1)
    _sharpen(log_probabilities, rows, aims)
    return _mean_surprise(log_probabilities, aims, counted, count, smoothing, logits.shape)


SURE = -0.1
"""From this log p on, the kernel's log p of a target is worked out again: it sums 1 and the others' small parts."""

SMALL = 2**22
"""On a GPU only up to so many logits: to look for the rows would make the processor wait, to take all needs memory."""


def _sharpen(log_probabilities: Tensor, rows: Tensor, aims: Tensor) -> None:
    """Put log p = −log1p(Σ_others exp(z − z_target)) in place where a target is all but certain."""
    found = log_probabilities.gather(1, aims)
    sure = found > SURE
    if rows.is_cpu and not torch.compiler.is_compiling():
        chosen = sure.squeeze(1).nonzero().squeeze(1)
        if len(chosen):
            log_probabilities[chosen, aims[chosen, 0]] = _log_probability(rows[chosen], aims[chosen])
    elif rows.numel() <= SMALL or torch.compiler.is_compiling():
        log_probabilities.scatter_(1, aims, torch.where(sure, _log_probability(rows, aims).unsqueeze(1), found))


def _log_probability(rows: Tensor, aims: Tensor) -> Tensor:
    """log p of one class in each row, exact where it is the largest by far."""
    return -(rows - rows.gather(1, aims)).exp().scatter(1, aims, 0.0).sum(-1).log1p()


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    log_probabilities, aims, counted, count, smoothing, shape = saved
    classes = shape[-1]
    factor = (gradient / count) * counted.unsqueeze(1)
    errors = log_probabilities.exp()  # what follows changes it in place: it is as large as the logits
    if smoothing:
        errors.sub_(smoothing / classes)
    at_target = log_probabilities.gather(1, aims).expm1() + smoothing * (1 - 1 / classes)
    return errors.scatter_(1, aims, at_target).mul_(factor).reshape(shape), None


def _counted(call: Call) -> tuple[Array, Array]:
    """The positions whose target counts, `[target, axis]`, and their targets."""
    positions = list(np.ndindex(*call.targets.shape))
    targets = np.array([call.targets.integer(position) for position in positions], dtype=np.int64)
    counted = targets != call.options["ignored"]
    return np.array(positions, dtype=np.int64).reshape(len(positions), len(call.targets.shape))[counted], targets[
        counted
    ]


def derive(call: Call, index: Index) -> Expression:
    positions, targets = _counted(call)
    if not len(targets):
        return Constant(0.0)
    classes = call.logits.shape[-1]
    logits = call.logits.pick(*positions.T[..., None], np.arange(classes)[None])
    others = call.logits.pick(*positions.T[..., None], _without(logits.values().argmax(-1), classes))
    largest = Named("max", Max(logits, 1))
    # log Σexp − max: the largest one's exponential is 1
    losses: Expression = log1p(Named("Σexp of the others", Sum(exp(others - Column(largest)), 1)))
    smoothing = float(call.options["smoothing"])
    wanted = call.logits.pick(*positions.T, targets)
    if smoothing:
        below = Sum(Column(largest) - logits, 1)
        losses = losses + (1 - smoothing) * (largest - wanted) + smoothing / classes * below
    elif (wanted.values() != largest.values()).any():
        losses = largest - wanted + losses
    return Sum(losses) / float(len(targets)) if len(targets) > 1 else Sum(losses)


def _without(position: Array, classes: int) -> Array:
    """All classes but one, for each row."""
    every = np.arange(classes - 1)[None]
    found: Array = every + (every >= position[:, None])
    return found


def derive_logits(call: Call, index: Index) -> Expression:
    *position, at = index
    target = call.targets.integer(tuple(position))
    return when(same(target, call.options["ignored"]), 0.0, lambda: _derive_counted(call, index, same(target, at)))


def _derive_counted(call: Call, index: Index, is_target: Answer) -> Expression:
    *position, at = index
    logits = call.logits[*position, :]
    largest = Named("max", Max(logits))
    total = Sum(exp(logits - largest))
    probability = exp(call.logits[index] - largest) / total
    smoothing = float(call.options["smoothing"])
    others = smoothing / logits.shape[0]
    wanted = Named("q", when(is_target, (1 - smoothing) + others, others))
    count = float((call.targets[...].values() != call.options["ignored"]).sum())
    is_sure = both(equals(wanted, 1), lambda: exceeds(probability, 0.5))  # p − 1 is what the others have
    rest = exp(call.logits[*position, all_but(logits.shape[0], at)] - largest)
    difference = when(is_sure, -Named("1 − p", Sum(rest) / total), Named("p", probability) - wanted)
    return call.gradient[()] * difference / count


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
