"""Masking: a score that may not be used becomes −∞, so that its weight after the softmax is zero."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kqv.arithmetic import Choice, Constant, Expression, Index
from kqv.operations.broadcast import output_slice, position_in, unbroadcast, unbroadcast_sum
from kqv.operations.operation import Call, Operation, Saved


def last_seen(query: Any, queries: int, keys: int) -> Any:
    """The last key that a query sees when it sees none that is later: the last query stands at the last key."""
    return query + keys - queries


def up_to_own(queries: int, keys: int, device: torch.device) -> Bool[Tensor, "query key"]:
    """Which keys each query sees by `last_seen`."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(last_seen(0, queries, keys))


def forward(x: Float[Tensor, "*#axes"], allowed: Bool[Tensor, "*#axes"]) -> tuple[Float[Tensor, "*output"], Saved]:
    """y = x where allowed, else −∞. Either input is repeated along axes that it lacks or has with size 1."""
    return x.masked_fill(~allowed, float("-inf")), (allowed, x.shape)


def backward(saved: Saved, gradient: Float[Tensor, "*output"]) -> tuple[Tensor | None, ...]:
    allowed, shape = saved
    return unbroadcast(gradient.masked_fill(~allowed, 0.0), shape), None


def derive(call: Call, index: Index) -> Expression:
    allowed = call.allowed[position_in(call.allowed.shape, index)]
    return Choice(allowed, call.x[position_in(call.x.shape, index)], Constant(float("-inf")), "allowed")


def derive_x(call: Call, index: Index) -> Expression:
    where = output_slice(call.gradient.shape, call.x.shape, index)
    allowed = call.allowed[position_in(call.allowed.shape, where)]
    return unbroadcast_sum(Choice(allowed, call.gradient[where], Constant(0.0), "allowed"))


mask = Operation(
    name="mask",
    formula="y = x where allowed, else −∞",
    gradients={"x": "∂C/∂x = ∂C/∂y where allowed, else 0"},
    dimensions={"x": "...", "allowed": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Vaswani et al. 2017, Attention Is All You Need, section 3.2.3: masking out by −∞",
    repeated=("x", "allowed"),
)
