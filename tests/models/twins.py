"""A small GPT, the same model from PyTorch's own layers with the same weights, and a batch for both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.plain_gpt import PlainGPT
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT

VOCAB, CONTEXT, MODEL, HEADS, BLOCKS = 29, 16, 24, 3, 2

PATHS = {"fused": False, "written-out": True}
"""The two ways to compute attention, and the model's `written_out` for each."""


SHARED: dict[str, Any] = {"heads": 6, "key_heads": 3}
"""Grouped queries: each head of keys serves two of queries; a head has 4 numbers."""

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": dict(GPT2.parts),
    "llama": {**LLAMA.parts, **SHARED},
    "qwen3": {**QWEN3.parts, **SHARED, "channels": 6, "hidden": 20},
    "a mixture": {"norm": "rms", "feed_forward": "swiglu", "bias": False, "tied": False, "key_heads": 1},
}
"""Parts of small models, one of each family: with grouped queries, tied and untied heads."""


def gpt(
    written_out: bool, dtype: torch.dtype = torch.float64, bias: bool = True, dropout: float = 0.0, **parts: Any
) -> GPT:
    """A GPT of two blocks whose weights are no special case: biases and the norms' weights are random too."""
    torch.manual_seed(1)
    form = {"heads": HEADS, "bias": bias, **parts}
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, blocks=BLOCKS, dropout=dropout, **form), written_out)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.to(dtype)


def plain_twin(model: GPT, bias: bool = True) -> PlainGPT:
    """The same model from `nn.Linear`, `nn.LayerNorm` and so on, with a copy of the weights."""
    twin = PlainGPT(VOCAB, CONTEXT, MODEL, HEADS, BLOCKS, bias).to(next(model.parameters()).dtype)
    twin.load_state_dict(model.state_dict())
    return twin


def batch(texts: int = 4, seed: int = 2) -> tuple[Tensor, Tensor]:
    """Ids and targets, `[batch, position]`: the targets are the ids one position later."""
    text = torch.randint(0, VOCAB, (texts, CONTEXT + 1), generator=torch.Generator().manual_seed(seed))
    return text[:, :-1], text[:, 1:]


def gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    """Every parameter's gradient by the parameter's name; `AssertionError` where one has none."""
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        found[name] = parameter.grad
    return found


def distance(found: Tensor, expected: Tensor) -> float:
    """Length of the difference, as a share of the expected tensor's length."""
    difference = (found.detach().double() - expected.detach().double()).norm()
    return float(difference / expected.detach().double().norm())
