"""How far two passes of a model disagree: the Kullback-Leibler divergence of their probabilities, both ways round.

With dropout, the same example gives other logits each time. R-Drop reads it twice and adds this to the loss, so that
the passes, which are different parts of one model, learn to say the same.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Array, Column, Constant, Expression, Index, Max, Named, Operand, Sum, exp, log, same, when
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    first: Float[Tensor, "*rows class"],
    second: Float[Tensor, "*rows class"],
    targets: Int[Tensor, "*targets"],
    *,
    ignored: int = -100,
) -> tuple[Float[Tensor, ""], Saved]:
    """Mean over the targets that are not `ignored` of ½·(KL(p‖q) + KL(q‖p)); 0 where every target is ignored.

    p = softmax(first), q = softmax(second), KL(p‖q) = Σ_k p[k]·(log p[k] − log q[k]); so each row gives
    ½·Σ_k (p[k] − q[k])·(log p[k] − log q[k]), in which no term is below 0. The targets say which rows count, no more.
    Raises `DimensionError` unless both logits have the same shape, and each row one target.
    """
    counted, count = _counted(first, second, targets, ignored)
    log_p, log_q = _log_softmax(first), _log_softmax(second)
    rows = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1) / 2
    return rows.masked_fill(~counted, 0.0).sum() / count, (log_p, log_q, counted, count, first.shape)


def backward(saved: Saved, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
    """∂C/∂first[k] = ½·(p[k]·(log p[k] − log q[k] − KL(p‖q)) + p[k] − q[k])/count for the rows that count, 0 for the
    ignored ones; for `second` p and q change their parts."""
    log_p, log_q, counted, count, shape = saved
    p, q, difference = log_p.exp(), log_q.exp(), log_p - log_q
    p_from_q = (p * difference).sum(-1, keepdim=True)  # KL(p‖q)
    q_from_p = -(q * difference).sum(-1, keepdim=True)  # KL(q‖p)
    share = counted.unsqueeze(1) * (gradient / (2 * count))
    gradient_first = (p * (difference - p_from_q) + p - q) * share
    gradient_second = (q * (-difference - q_from_p) + q - p) * share
    return gradient_first.reshape(shape), gradient_second.reshape(shape), None


def _counted(first: Tensor, second: Tensor, targets: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
    """Which rows count, `[row]`, and how many do."""
    if first.shape != second.shape or first.shape[:-1] != targets.shape:
        raise DimensionError(
            f"symmetric_divergence: first{list(first.shape)}, second{list(second.shape)} and targets"
            f"{list(targets.shape)} do not belong together; expected logits[..., class] of one shape and one target "
            "for each row, targets[...]"
        )
    counted = targets.reshape(-1) != ignored
    return counted, counted.sum().clamp(min=1)


def _log_softmax(logits: Tensor) -> Float[Tensor, "row class"]:
    rows = logits.reshape(-1, logits.shape[-1])
    above = rows - rows.amax(-1, keepdim=True)
    return above - above.exp().sum(-1, keepdim=True).log()


PART = 2**17
"""Logits that go through the kernel together, in whole rows: so many stay in a processor's cache."""


def kernel_forward(first: Tensor, second: Tensor, targets: Tensor, *, ignored: int = -100) -> tuple[Tensor, Saved]:
    counted, count = _counted(first, second, targets, ignored)
    a, b = (logits.reshape(-1, logits.shape[-1]) for logits in (first, second))
    rows, sums = a.new_empty(len(a)), a.new_empty(2, len(a), 1)  # sums: log Σexp of each row
    for a_part, b_part, out, a_sum, b_sum in _parts(a, b, rows, *sums):
        (p, log_p), (q, log_q) = _probabilities(a_part, a_sum), _probabilities(b_part, b_sum)
        torch.linalg.vecdot(p.sub_(q), log_p.sub_(log_q), out=out)
    return rows.masked_fill_(~counted, 0.0).sum() / (2 * count), (first, second, *sums, counted, count)


def _probabilities(logits: Tensor, log_sum: Tensor) -> tuple[Tensor, Tensor]:
    """softmax of rows, and its logarithm; `log_sum` gets log Σexp of each."""
    largest = logits.amax(-1, keepdim=True)
    log_p = logits - largest
    p = log_p.exp()
    total = p.sum(-1, keepdim=True)
    log_total = total.log()
    torch.add(largest, log_total, out=log_sum)
    return p.div_(total), log_p.sub_(log_total)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    first, second, *log_sums, counted, count = saved
    a, b = (logits.reshape(-1, logits.shape[-1]) for logits in (first, second))
    share = counted.unsqueeze(1) * (gradient / (2 * count))
    outs = torch.empty_like(a), torch.empty_like(b)
    for a_part, b_part, a_sum, b_sum, share_part, out_a, out_b in _parts(a, b, *log_sums, share, *outs):
        p, q = a_part - a_sum, b_part - b_sum
        difference = p - q
        p.exp_(), q.exp_()
        p_from_q, q_from_p = (torch.linalg.vecdot(part, difference).unsqueeze(1) for part in (p, q))  # less its sign
        torch.sub(difference, p_from_q, out=out_a).mul_(p).add_(p).sub_(q).mul_(share_part)
        torch.sub(q_from_p, difference, out=out_b).mul_(q).add_(q).sub_(p).mul_(share_part)
    return outs[0].reshape(first.shape), outs[1].reshape(second.shape), None


def _parts(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The tensors, of which the first is logits, in parts of a few rows; whole on a GPU, and where a graph is
    compiled."""
    if not tensors[0].is_cpu or torch.compiler.is_compiling():
        return [tensors]
    rows = max(1, PART // tensors[0].shape[-1])
    return list(zip(*(torch.split(tensor, rows) for tensor in tensors), strict=True))


def _log_probabilities(logits: Expression, axis: str) -> Expression:
    """log softmax of rows of logits; `axis` names the rows' sum."""
    above = logits - Column(Named(f"max of {axis}", Max(logits, 1)))
    return above - Column(Named(f"log Σexp of {axis}", log(Sum(exp(above), 1))))


def _here(logits: Operand, index: Index, axis: str) -> tuple[Expression, Expression]:
    """log softmax of one row of logits, and of one number in it."""
    row, own = logits[*index[:-1], :], logits[index]
    largest = Named(f"max of {axis}", Max(row))
    total = Named(f"log Σexp of {axis}", log(Sum(exp(row - largest))))
    return row - largest - total, own - largest - total


def _count(call: Call) -> float:
    return float(max(1, (call.targets[...].values() != call.options["ignored"]).sum()))


def derive(call: Call, index: Index) -> Expression:
    positions = [at for at in np.ndindex(*call.targets.shape) if call.targets.integer(at) != call.options["ignored"]]
    if not positions:
        return Constant(0.0)
    axes: Array = np.array(positions, dtype=np.int64).reshape(len(positions), len(call.targets.shape))
    classes = np.arange(call.first.shape[-1])[None]
    log_p, log_q = (
        _log_probabilities(logits.pick(*axes.T[..., None], classes), name)
        for logits, name in ((call.first, "first"), (call.second, "second"))
    )
    return Sum((exp(log_p) - exp(log_q)) * (log_p - log_q)) / (2 * float(len(positions)))


def _derivative(call: Call, index: Index, own: Operand, other: Operand, names: tuple[str, str]) -> Expression:
    (log_p, log_p_here), (log_q, log_q_here) = _here(own, index, names[0]), _here(other, index, names[1])
    divergence = Named("KL", Sum(exp(log_p) * (log_p - log_q)))
    p, q = Named("p", exp(log_p_here)), Named("q", exp(log_q_here))
    difference = Named("log p − log q", log_p_here - log_q_here)
    derivative = call.gradient[()] * (p * (difference - divergence) + (p - q)) / (2 * _count(call))
    return when(same(call.targets.integer(index[:-1]), call.options["ignored"]), 0.0, derivative)


def derive_first(call: Call, index: Index) -> Expression:
    return _derivative(call, index, call.first, call.second, ("first", "second"))


def derive_second(call: Call, index: Index) -> Expression:
    return _derivative(call, index, call.second, call.first, ("second", "first"))


symmetric_divergence = Operation(
    name="symmetric_divergence",
    formula="C = mean over targets of ½·(KL(p‖q) + KL(q‖p)) = ½·Σ_k (p[k] − q[k])·(log p[k] − log q[k]), "
    "p = softmax(first), q = softmax(second)",
    gradients={
        "first": "∂C/∂first[k] = ½·(p[k]·(log p[k] − log q[k] − KL(p‖q)) + p[k] − q[k])/count",
        "second": "∂C/∂second[k] = ½·(q[k]·(log q[k] − log p[k] − KL(q‖p)) + q[k] − p[k])/count",
    },
    dimensions={"first": "... class", "second": "... class", "targets": "...", "output": ""},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"first": derive_first, "second": derive_second},
    source="Liang et al. 2021, R-Drop: Regularized Dropout for Neural Networks, section 2.1",
    precision="full",
)
