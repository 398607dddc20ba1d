"""GPT: a Transformer that reads tokens from left to right and says what may come next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.attention import SelfAttention
from kqv.models.cache import Cache
from kqv.models.families import GPT2, family_of
from kqv.models.feed_forward import Form, hidden_size, make_feed_forward
from kqv.models.layers import Block, Dropout, Embedding, Linear, Norm, make_norm
from kqv.operations import add, cross_entropy, linear
from kqv.trace.recorder import note

Positions = Literal["learned", "rotary"]
Initialisation = Literal["gpt2", "zero-projections"]

ADDING = ("projection.weight", "narrow.weight")  # the two maps of a block whose results are added to the stream
SMALL = 0.001  # deviation of a new head of its own: at first all tokens are about equally likely
TABLE = 0.7  # deviation of a new table of tokens that is no head; 0.5 to 1 learn fastest (docs/log.md)


class GPT(nn.Module):
    """A Transformer that reads from left to right, composed of parts by name: GPT-2, Llama, Qwen3, and mixtures.

    `forward(ids[batch, position]) -> logits[batch, position, vocab]`, for each place what may come next.
    Without further names it is GPT-2 (Radford et al. 2019): token and position embeddings, pre-norm blocks, a head
    tied to the embedding. `kqv.models.families` has the parts of each family.

    `model` numbers stand for one token between the layers, `heads` share them evenly unless `channels` says how many
    numbers a head has; `key_heads` heads of keys and values are shared by groups of heads. `bias`: in linear maps and
    layer norms (`attention_bias`, where attention differs). `dropout` acts after the embeddings, on what each part
    adds to the stream and on the attention weights (`attention_dropout`, where these differ). `positions`: a learned
    vector for each place, or queries and keys turned by angles (`rotary_base`). `norm`, with its `epsilon`;
    `query_key_norm`: an RMS norm on each head's queries and keys. `feed_forward`, with `hidden` numbers inside. `tied`:
    the head is the table of tokens, not a map of its own. `initialisation`: GPT-2's, or with what each block adds to
    the stream at zero.
    Raises `Error` for names that do not exist, and for sizes that make no model.
    """

    def __init__(
        self, vocab: int, context: int, model: int, heads: int, blocks: int, bias: bool = True, dropout: float = 0.0,
        written_out: bool = False, *, positions: Positions = "learned", rotary_base: float = 10_000.0,
        norm: Norm = "layer", epsilon: float = 1e-5, feed_forward: Form = "gelu", hidden: int | None = None,
        query_key_norm: bool = False, key_heads: int | None = None, channels: int | None = None,
        attention_bias: bool | None = None, attention_dropout: float | None = None, tied: bool = True,
        initialisation: Initialisation = "gpt2",
    ) -> None:  # fmt: skip
        super().__init__()
        hidden = hidden_size(feed_forward, model) if hidden is None else hidden
        sizes = {"vocab": vocab, "context": context, "model": model, "heads": heads, "blocks": blocks, "hidden": hidden}
        _check(sizes, positions, initialisation)
        attention_bias = bias if attention_bias is None else attention_bias
        attention_dropout = dropout if attention_dropout is None else attention_dropout
        self.vocab, self.context, self.model, self.heads = vocab, context, model, heads
        self.initialisation = initialisation
        self.tokens = Embedding(vocab, model)
        self.positions = Embedding(context, model, "position model") if positions == "learned" else None
        self.dropout = Dropout(dropout)

        def block() -> Block:
            attention = SelfAttention(
                model, heads, attention_bias, written_out, dropout, key_heads=key_heads, channels=channels,
                rotary_base=rotary_base if positions == "rotary" else None, query_key_norm=query_key_norm,
                epsilon=epsilon, attention_dropout=attention_dropout,
            )  # fmt: skip
            fed = make_feed_forward(feed_forward, model, hidden, bias, dropout)
            return Block(make_norm(norm, model, bias, epsilon), attention, make_norm(norm, model, bias, epsilon), fed)

        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self.norm = make_norm(norm, model, bias, epsilon)
        self.unembedding = None if tied else Linear(model, vocab, bias=False)
        first: Any = self.blocks[0]
        self.key_heads, self.channels = first.attention.key_heads, first.attention.channels
        self.parts: dict[str, Any] = {
            "context": context, "model": model, "heads": heads, "blocks": blocks, "bias": bias, "dropout": dropout,
            "positions": positions, "rotary_base": rotary_base, "norm": norm, "epsilon": epsilon,
            "feed_forward": feed_forward, "hidden": hidden, "query_key_norm": query_key_norm,
            "key_heads": self.key_heads, "channels": self.channels, "attention_bias": attention_bias,
            "attention_dropout": attention_dropout, "tied": tied, "initialisation": initialisation,
        }  # fmt: skip
        """What it is composed of: `GPT(vocab, **parts)` is another of the same form."""
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """New weights as GPT-2 begins (section 2.3): normal with deviation 0.02, biases 0, norms 1.

        The two maps of each block that add to the stream have 0.02/√(2·blocks): so many are summed there. With
        "zero-projections" they begin at zero, so that each block passes the stream on as it is (Zhang et al. 2019,
        Fixup, section 3), and a head of its own begins small; the other maps keep their input's size, and what stands
        for a token is about as large as what the blocks will add.
        """
        deviation = self._deviation_from_zero if self.initialisation == "zero-projections" else self._deviation_of_gpt2
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=deviation(name, parameter))
            else:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)

    def _deviation_of_gpt2(self, name: str, parameter: Tensor) -> float:
        return 0.02 / math.sqrt(2 * len(self.blocks)) if name.endswith(ADDING) else 0.02

    def _deviation_from_zero(self, name: str, parameter: Tensor) -> float:
        if name.endswith(ADDING):
            return 0.0
        if name == "unembedding.weight":
            return SMALL
        if name.startswith("blocks."):
            return 1 / math.sqrt(parameter.shape[1])
        return 0.02 if self.unembedding is None else TABLE

    def describe(self) -> str:
        """What it is, in a few words: `GPT-2, 4 blocks, 4 heads, 128 wide, context 64, vocab 65`."""
        heads = _counted(self.heads, "head")
        if self.key_heads != self.heads:
            heads += f" on {self.key_heads} of keys"
        parts = f"{_counted(len(self.blocks), 'block')}, {heads}, {self.model} wide"
        return f"{self._family()}, {parts}, context {self.context}, vocab {self.vocab}"

    def _family(self) -> str:
        """The family's name, or what a mixture is made of."""
        family = family_of(self)
        if family is not None:
            return family.title
        parts = self.parts
        normed = "queries and keys normed" if parts["query_key_norm"] else "queries and keys plain"
        return f"GPT ({parts['positions']} positions, {parts['norm']} norm, {parts['feed_forward']}, {normed})"

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
        x = tokens
        if self.positions is not None:
            positions = note("position_vectors", self.positions(places), "position model")
            x = note("embedded", add(tokens, positions), "batch position model")
        x = self.dropout(x)
        for number, block in enumerate(self.blocks):
            x = block(x, places) if cache is None else block(x, places, cache.blocks[number])
        return note("normed", self.norm(x), "batch position model")

    def head(self, x: Tensor) -> Tensor:
        """A logit for each token: how much its vector in the table has in common with x; `[batch, position, vocab]`.

        The table is that of the tokens, or where the head is not tied one of its own.
        """
        logits = linear(x, self.tokens.weight) if self.unembedding is None else self.unembedding(x)
        return note("logits", logits, "batch position vocab")

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over all places of −log p[target], in nats: logits `[batch, position, vocab]`, targets as the ids."""
        return note("cost", cross_entropy(logits, note("targets", targets, "batch position")), "", symbol="C")

    def new_cache(self, batch: int) -> Cache:
        """An empty key-value cache for so many texts, each up to the context."""
        weight = self.tokens.weight
        blocks = len(self.blocks)
        return Cache(blocks, batch, self.key_heads, self.context, self.channels, weight.dtype, weight.device)

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


def _check(sizes: dict[str, int], positions: str, initialisation: str) -> None:
    """Raise `Error` for sizes below 1, and for names that do not exist."""
    if min(sizes.values()) < 1:
        got = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise Error(f"a GPT's sizes are all at least 1; got {got}")
    if positions not in get_args(Positions):
        raise Error(f"there are no positions {positions!r}; choose one of: {', '.join(get_args(Positions))}")
    if initialisation not in get_args(Initialisation):
        known = ", ".join(get_args(Initialisation))
        raise Error(f"there is no initialisation {initialisation!r}; choose one of: {known}")


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
        dropout=dropout, written_out=written_out, **GPT2.parts,
    )  # fmt: skip
