"""GPT: a Transformer that reads tokens from left to right and says what may come next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.cache import Cache
from kqv.models.layers import Block, Dropout, Embedding, Gelu, LayerNorm
from kqv.operations import add, cross_entropy, linear
from kqv.trace.recorder import note


class GPT(nn.Module):
    """Radford et al. 2019 (GPT-2): token and position embeddings, pre-norm blocks, a head tied to the embedding.

    `forward(ids[batch, position]) -> logits[batch, position, vocab]`, for each place what may come next.
    `model` numbers stand for one token between the layers, `heads` share them evenly; `bias`: in linear maps and norms.
    `dropout` acts after the embeddings, on the attention weights and on what each part adds to the stream.
    `gelu`: the exact one, or the form by tanh that GPT-2's own weights were trained with.
    Raises `Error` for sizes that make no model.
    """

    def __init__(
        self,
        vocab: int,
        context: int,
        model: int,
        heads: int,
        blocks: int,
        bias: bool = True,
        dropout: float = 0.0,
        written_out: bool = False,
        gelu: Gelu = "exact",
    ) -> None:
        super().__init__()
        sizes = {"vocab": vocab, "context": context, "model": model, "heads": heads, "blocks": blocks}
        if min(sizes.values()) < 1:
            got = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise Error(f"a GPT's sizes are all at least 1; got {got}")
        self.vocab, self.context, self.model, self.heads = vocab, context, model, heads
        self.tokens = Embedding(vocab, model)
        self.positions = Embedding(context, model, "position model")
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(model, heads, bias, written_out, dropout, gelu) for _ in range(blocks))
        self.norm = LayerNorm(model, bias)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """New weights as GPT-2 begins (section 2.3): normal with deviation 0.02, biases 0, norms 1.

        The two maps of each block that add to the stream have 0.02/√(2·blocks): so many are summed there.
        """
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                adds_to_stream = name.endswith(("projection.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * len(self.blocks)) if adds_to_stream else 0.02)
            else:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)

    def describe(self) -> str:
        """What it is, in a few words: `GPT-2, 4 blocks, 4 heads, 128 wide, context 64, vocab 65`."""
        parts = f"{_counted(len(self.blocks), 'block')}, {_counted(self.heads, 'head')}, {self.model} wide"
        return f"GPT-2, {parts}, context {self.context}, vocab {self.vocab}"

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits `[batch, position, vocab]`; with a cache the ids are the next ones, and see all that it holds.

        Raises `DimensionError` unless ids are `[batch, position]`, `Error` where they go past the context.
        """
        return self.head(self.read(ids, cache))

    def read(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """What the blocks make of the ids: `[batch, position, model]`, from which the head makes logits."""
        start = self._start(ids, cache)
        ids = note("ids", ids, "batch position")
        places = note("places", torch.arange(start, start + ids.shape[1], device=ids.device), "position")
        tokens = note("token_vectors", self.tokens(ids), "batch position model")
        positions = note("position_vectors", self.positions(places), "position model")
        x = self.dropout(note("embedded", add(tokens, positions), "batch position model"))
        for number, block in enumerate(self.blocks):
            x = block(x) if cache is None else block(x, cache.blocks[number])
        return note("normed", self.norm(x), "batch position model")

    def head(self, x: Tensor) -> Tensor:
        """A logit for each token: how much its vector in the table has in common with x; `[batch, position, vocab]`."""
        return note("logits", linear(x, self.tokens.weight), "batch position vocab")

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over all places of −log p[target], in nats: logits `[batch, position, vocab]`, targets as the ids."""
        return note("cost", cross_entropy(logits, note("targets", targets, "batch position")), "", symbol="C")

    def new_cache(self, batch: int) -> Cache:
        """An empty key-value cache for so many texts, each up to the context."""
        weight = self.tokens.weight
        channels = self.model // self.heads
        return Cache(len(self.blocks), batch, self.heads, self.context, channels, weight.dtype, weight.device)

    def _start(self, ids: Tensor, cache: Cache | None) -> int:
        """The place of the first id."""
        if ids.dim() != 2:
            raise DimensionError(f"GPT takes ids[batch, position]; got a tensor of shape {list(ids.shape)}")
        if cache is not None:
            cache.check(ids)
            return cache.length
        if ids.shape[1] > self.context:
            raise Error(f"the model reads at most {self.context} tokens at once (its context); got {ids.shape[1]}")
        return 0


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@dataclass(frozen=True)
class Size:
    """The sizes in which GPT-2 models differ."""

    model: int
    heads: int
    blocks: int


GPT2_SIZES = {
    "124M": Size(model=768, heads=12, blocks=12),
    "355M": Size(model=1024, heads=16, blocks=24),
    "774M": Size(model=1280, heads=20, blocks=36),
    "1.5B": Size(model=1600, heads=25, blocks=48),
}
"""GPT-2's four models by their number of parameters, also called small, medium, large and XL (table 2)."""


def gpt2(size: str = "124M", dropout: float = 0.0, written_out: bool = False) -> GPT:
    """GPT-2 of a published size, with new weights: 50,257 tokens, context 1,024, GELU by tanh.

    Raises `Error` that lists the sizes for one that does not exist.
    """
    if size not in GPT2_SIZES:
        raise Error(f"there is no GPT-2 of size {size!r}; choose one of: {', '.join(GPT2_SIZES)}")
    chosen = GPT2_SIZES[size]
    return GPT(
        50_257, 1024, chosen.model, chosen.heads, chosen.blocks,
        dropout=dropout, written_out=written_out, gelu="tanh",
    )  # fmt: skip
