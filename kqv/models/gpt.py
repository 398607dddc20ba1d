"""GPT: a Transformer that reads tokens from left to right and says what may come next."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kqv.models.layers import Block, Embedding, LayerNorm
from kqv.operations import add, linear
from kqv.trace.recorder import note


class GPT(nn.Module):
    """Radford et al. 2019 (GPT-2): token and position embeddings, pre-norm blocks, a head tied to the embedding.

    `forward(ids[batch, position]) -> logits[batch, position, vocab]`.
    """

    def __init__(
        self,
        vocab: int,
        context: int,
        model: int,
        heads: int,
        blocks: int,
        bias: bool = True,
        written_out: bool = False,
    ) -> None:
        super().__init__()
        self.tokens = Embedding(vocab, model)
        self.positions = Embedding(context, model, "position model")
        self.blocks = nn.ModuleList(Block(model, heads, bias, written_out) for _ in range(blocks))
        self.norm = LayerNorm(model, bias)

    def forward(self, ids: Tensor) -> Tensor:
        ids = note("ids", ids, "batch position")
        places = note("places", torch.arange(ids.shape[1], device=ids.device), "position")
        tokens = note("token_vectors", self.tokens(ids), "batch position model")
        positions = note("position_vectors", self.positions(places), "position model")
        x = note("embedded", add(tokens, positions), "batch position model")
        for block in self.blocks:
            x = block(x)
        x = note("normed", self.norm(x), "batch position model")
        return note("logits", linear(x, self.tokens.weight), "batch position vocab")
