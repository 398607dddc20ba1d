"""Which of a model's parameters are matrices of hidden layers: those that Muon is for."""

from __future__ import annotations

from torch import nn

from kqv.models.dense import Layer
from kqv.models.layers import Linear
from kqv.models.recogniser import Recogniser

HEADS = ("head", "unembedding")
"""Names of modules that make a model's output."""


def hidden_matrices(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The weights of linear maps by name, without the output's: modules named in `HEADS`, a recogniser's last layer.

    With each stands how many rows its parts have, where the module says so in `parts` (as attention does where queries,
    keys and values come out of one matrix); else it is one whole. Embeddings and convolutions are none.
    """
    maps = [(name, module) for name, module in model.named_modules() if isinstance(module, Linear | Layer)]
    if isinstance(model, Recogniser):
        maps = maps[:-1]
    found = {}
    for name, module in maps:
        if name.rpartition(".")[2] not in HEADS:
            found[f"{name}.weight".removeprefix(".")] = tuple(getattr(module, "parts", ()))
    return found
