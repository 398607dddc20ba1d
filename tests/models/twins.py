"""A small GPT, the same model from PyTorch's own layers with the same weights, and a batch for both."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.plain_gpt import PlainGPT
from kqv.models.gpt import GPT
from kqv.models.layers import Gelu

VOCAB, CONTEXT, MODEL, HEADS, BLOCKS = 29, 16, 24, 3, 2

PATHS = {"fused": False, "written-out": True}
"""The two ways to compute attention, and the model's `written_out` for each."""


def gpt(
    written_out: bool, dtype: torch.dtype = torch.float64, bias: bool = True, dropout: float = 0.0, gelu: Gelu = "exact"
) -> GPT:
    """A GPT of two blocks whose weights are no special case: biases and the norms' weights are random too."""
    torch.manual_seed(1)
    model = GPT(VOCAB, CONTEXT, MODEL, HEADS, BLOCKS, bias, dropout, written_out, gelu)
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
    """Ids and targets, `[batch, position]`: the targets are the ids one place later."""
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
