"""What keeps a model from the fast step: any part that is not one of the usual, and whoever wants to see inside."""

from __future__ import annotations

import torch
from torch import nn

from kqv import operations
from kqv.errors import Error
from kqv.generation.weights import Weights, checked_weights
from kqv.models.attention import Attention
from kqv.models.blocks import PostNorm, PreNorm
from kqv.models.feed_forward import FeedForward, GatedFeedForward
from kqv.models.gpt import GPT
from kqv.models.layers import Dropout, Embedding, LayerNorm, Linear, NoNorm, RMSNorm
from kqv.models.positions import Periodic, Rotary, Sinusoidal
from kqv.operations import Operation

USUAL = {
    GPT, nn.ModuleList, Embedding, Linear, LayerNorm, RMSNorm, NoNorm, Dropout, Sinusoidal, Periodic, PreNorm, PostNorm,
    Attention, FeedForward, GatedFeedForward,
}  # fmt: skip
"""The modules that `FastStep` knows, each of exactly this class."""


def obstacle_in(model: GPT) -> str | None:
    """What the fast step cannot do of a model, in words that go after "it has"; None where it can do all."""
    odd = next((type(module).__name__ for module in model.modules() if type(module) not in USUAL), None)
    if odd is not None:
        return f"a part of its own ({odd})"
    parameters = list(model.parameters())
    if any(not parameter.is_cpu or parameter.dtype != torch.float32 for parameter in parameters):
        return "weights that are not float32 on the CPU"
    chosen = model.architecture
    if chosen.mask not in ("past", "window"):
        return f"the mask {chosen.mask!r}"
    for attention in (module for module in model.modules() if isinstance(module, Attention)):
        if not attention.can_be_fused or attention.written_out:
            return f"attention of its own kind ({chosen.score}, {chosen.normaliser}, {chosen.positions} positions)"
        if type(attention.turn) not in (Rotary, type(None)):
            return "positions of its own kind"
    return "hooks" if _is_watched(model) else "an operation that is replaced" if _is_replaced() else None


def require_usual(model: GPT, weights: str) -> Weights:
    """The type of weights. Raises `Error` for one that does not exist, and for others than float32 where the model has
    an obstacle."""
    chosen = checked_weights(weights)
    obstacle = None if chosen == "float32" else obstacle_in(model)
    if obstacle is not None:
        raise Error(f"{weights} weights are for models of usual parts, and this one has {obstacle}; use float32")
    return chosen


def _is_watched(model: nn.Module) -> bool:
    """Whether something wants to be called with what goes through a module."""
    return any(
        module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module) for module in model.modules()
    )


def _is_replaced() -> bool:
    """Whether an operation computes with another pair than its own, such as a learner's."""
    known = (found for found in vars(operations).values() if isinstance(found, Operation))
    return any(operation.pair != (operation.kernel or operation.definition) for operation in known)
