"""Maps, norms and activations as operators of ONNX: what a model's modules compute, under the names of its tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.interchange.onnx_graph import Scope, form_of
from kqv.models.feed_forward import FeedForward, GatedFeedForward
from kqv.models.layers import LayerNorm, Linear, NoNorm, RMSNorm


def linear(at: Scope, module: Linear, x: str, name: str = "") -> str:
    """x Wᵀ + b. The weight is stored turned, since engines multiply by it without turning then."""
    turned = at.weight("weight.T", module.weight.T)
    if module.bias is None:
        return at.add("MatMul", x, turned, name=name)
    return at.add("Add", at.add("MatMul", x, turned), at.weight("bias", module.bias), name=name)


def norm(at: Scope, module: nn.Module, x: str) -> str:
    """A norm over the last axis. Raises `Error` for a kind that is not known here."""
    if isinstance(module, NoNorm):
        return x
    if isinstance(module, LayerNorm):
        given = [at.weight("weight", module.weight)]
        given += [] if module.bias is None else [at.weight("bias", module.bias)]
        return at.add("LayerNormalization", x, *given, axis=-1, epsilon=module.epsilon)
    if not isinstance(module, RMSNorm):
        raise Error(f"the norm {type(module).__name__} is not written to ONNX here; layer, rms and none are")
    # in these steps, which onnxruntime knows as one operator of its own
    squares = at.add("ReduceMean", at.add("Pow", x, at.number(2.0)), axes=[-1])
    root = at.add("Sqrt", at.add("Add", squares, at.number(module.epsilon)))
    return at.add("Mul", at.add("Div", x, root), at.weight("weight", module.weight))


def gelu(at: Scope, x: str) -> str:
    """x·(1 + erf(x/√2))/2."""
    error = at.add("Erf", at.add("Div", x, at.number(math.sqrt(2))))
    return at.add("Mul", at.add("Mul", x, at.add("Add", error, at.number(1.0))), at.number(0.5))


def gelu_tanh(at: Scope, x: str) -> str:
    """x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2."""
    cube = at.add("Mul", at.add("Pow", x, at.number(3.0)), at.number(0.044715))
    bent = at.add("Tanh", at.add("Mul", at.add("Add", x, cube), at.number(math.sqrt(2 / math.pi))))
    return at.add("Mul", at.add("Mul", x, at.number(0.5)), at.add("Add", bent, at.number(1.0)))


def silu(at: Scope, x: str) -> str:
    """x·σ(x)."""
    return at.add("Mul", x, at.add("Sigmoid", x))


def relu_squared(at: Scope, x: str) -> str:
    """max(0, x)²."""
    return square(at, at.add("Relu", x))


def square(at: Scope, x: str) -> str:
    """x²."""
    return at.add("Mul", x, x)


def straight(at: Scope, x: str) -> str:
    """x."""
    return x


def _plain(kind: str) -> Callable[[Scope, str], str]:
    return lambda at, x: at.add(kind, x)


ACTIVATIONS: dict[str, Callable[[Scope, str], str]] = {
    "sigmoid": _plain("Sigmoid"), "tanh": _plain("Tanh"), "relu": _plain("Relu"), "gelu": gelu, "silu": silu,
}  # fmt: skip
"""Activations of layers by name."""

BENDS: dict[str, Callable[[Scope, str], str]] = {
    "gelu": gelu, "gelu-tanh": gelu_tanh, "relu": _plain("Relu"), "swiglu": silu, "geglu": gelu,
    "reglu": _plain("Relu"), "silu": silu, "relu-squared": relu_squared, "linear": straight,
}  # fmt: skip
"""What bends the numbers inside a feed-forward part, by the part's name."""


def feed_forward(at: Scope, name: str, module: nn.Module, x: str) -> str:
    """A feed-forward part by its name. Raises `Error` for one that is not known here."""
    bend = form_of("feed-forward part", name, BENDS)
    if isinstance(module, GatedFeedForward):
        gate, hidden = at.split(linear(at.into("widen"), module.widen, x), (module.hidden, module.hidden))
        active = at.add("Mul", bend(at, gate), hidden, name="active")
        return linear(at.into("narrow"), module.narrow, active)
    assert isinstance(module, FeedForward)
    return linear(at.into("narrow"), module.narrow, bend(at, linear(at.into("widen"), module.widen, x)))


@torch.no_grad()
def table_of(module: nn.Module, context: int) -> Tensor:
    """The vectors that a positional encoding adds, `[context, model]`: for ONNX each of them is looked up."""
    found: Tensor = module(torch.arange(context))
    return found


def in_turn(at: Scope, chosen: Any, block: Any, x: str, parts: Mapping[str, Callable[[str], str]]) -> str:
    """The parts of a block one after the other, by name, each with its norm and its residual where they stand.

    Raises `Error` for blocks and residuals that are not known here.
    """
    before = form_of("block", chosen.block, {"pre-norm": True, "post-norm": False})
    joins = form_of("residual", chosen.residual, {"add": True, "none": False})
    for name, part in parts.items():
        its_norm, inner = getattr(block, f"{name}_norm"), at.into(f"{name}_norm")
        found = part(norm(inner, its_norm, x) if before else x)
        joined = f"after_{name}" if before and name != "feed_forward" else ""
        x = at.add("Add", x, found, name=joined) if joins else found
        x = x if before else norm(inner, its_norm, x)
    return x


def write_head(at: Scope, model: Any, x: str) -> None:
    """Logits; of a head that is tied to the tokens their table, stored once."""
    if model.unembedding is None:
        turned = at.add("Transpose", "tokens.weight", perm=[1, 0])
    else:
        turned = at.weight("unembedding.weight.T", model.unembedding.weight.T)
    at.add("MatMul", x, turned, name="logits")
