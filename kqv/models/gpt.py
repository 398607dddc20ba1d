"""GPT: a Transformer that reads tokens from left to right and says what may come next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.architecture import Architecture
from kqv.models.cache import Cache
from kqv.models.composed import block_of, last_norm_of, unusual_parts
from kqv.models.deviations import INITIALISATIONS
from kqv.models.families import GPT2, family_of
from kqv.models.layers import Dropout, Embedding, Linear
from kqv.models.masks import MASKS, nothing_to_keep, sees_later
from kqv.models.positions import POSITIONS
from kqv.models.scales import start_scales
from kqv.models.side_by_side import SideBySide
from kqv.operations import add, cross_entropy, linear
from kqv.recording import note


class GPT(nn.Module):
    """A Transformer that reads from left to right, composed of parts by name: GPT-2, Llama, Qwen3, and mixtures.

    `forward(ids[batch, position]) -> logits[batch, position, vocab]`, for each position what may come next.
    `Architecture()` is a small GPT-2 (Radford et al. 2019): token and position embeddings, pre-norm blocks, a head tied
    to the embedding; `kqv.models.families` has the parts of each family. `written_out`: attention computes scores and
    weights as tensors of their own.
    Raises `Error` for a vocabulary without a token.
    """

    def __init__(self, vocab: int, architecture: Architecture | None = None, written_out: bool = False) -> None:
        super().__init__()
        if vocab < 1:
            raise Error(f"a GPT's vocabulary has at least 1 token; got {vocab}")
        chosen = (architecture or Architecture()).resolved()
        self.architecture = chosen
        """What it is composed of, every field said: `GPT(vocab, architecture)` is another of the same kind."""
        self.vocab, self.context, self.width = vocab, chosen.context, chosen.width
        self.heads = chosen.shared()
        encoding = POSITIONS[chosen.positions]
        self.tokens = Embedding(vocab, chosen.width)
        self.positions = (
            None if encoding.vectors is None else encoding.vectors(chosen.context, chosen.width, chosen.period)
        )
        self.dropout = Dropout(chosen.dropout or 0.0)
        self.blocks = nn.ModuleList(block_of(chosen, written_out) for _ in range(chosen.blocks))
        self.norm = last_norm_of(chosen)
        self.unembedding = None if chosen.tied else Linear(chosen.width, vocab, bias=False)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """New weights: matrices normal with the deviation of the chosen initialisation, biases 0, norms 1, learned
        scales as they begin."""
        deviation, adds = INITIALISATIONS[self.architecture.initialisation], self.architecture.residual != "none"
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                std = deviation(name, parameter.shape, len(self.blocks), self.unembedding is None, adds)
                nn.init.normal_(parameter, std=std)
            else:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
        start_scales(self)

    def describe(self) -> str:
        """What it is, in a few words: `a GPT of GPT-2's architecture (learned positions, layer norm, GELU), 4 blocks, 4
        heads, 128 wide, context 64, vocab 65`."""
        heads = _counted(self.heads.count, "head")
        if self.heads.group > 1:
            heads += f" on {self.heads.key_heads} of keys"
        parts = f"{_counted(len(self.blocks), 'block')}, {heads}, {self.width} wide"
        return f"{self._family()}, {parts}, context {self.context}, vocab {self.vocab}"

    def _family(self) -> str:
        """The family's name, or what a mixture is made of."""
        chosen = self.architecture
        family = family_of(chosen)
        if family is not None:
            return f"a GPT of {family.title}'s architecture ({_spoken(chosen)})"
        normed = "queries and keys normed" if chosen.query_key_norm else "queries and keys plain"
        parts = [f"{chosen.positions} positions", f"{chosen.norm} norm", chosen.feed_forward, normed]
        parts += [] if chosen.block == "pre-norm" else [f"{chosen.block} blocks"]
        parts += unusual_parts(chosen)
        return f"GPT ({', '.join(parts)})"

    def forward(self, ids: Tensor, cache: Cache | SideBySide | None = None) -> Tensor:
        """Logits `[batch, position, vocab]`; with a cache the ids are the next ones, and see all that it holds.

        Raises `DimensionError` unless ids are `[batch, position]`, `Error` where they go past the context.
        """
        return self.head(self.read(ids, cache))

    def read(self, ids: Tensor, cache: Cache | SideBySide | None = None) -> Tensor:
        """What the blocks make of the ids: `[batch, position, model]`, from which the head makes logits."""
        where = self._positions_of(ids, cache)
        ids = note("ids", ids, "batch position")
        positions = note("positions", where, "position")
        tokens = note("token_vectors", self.tokens(ids), "batch position model")
        x = tokens
        if self.positions is not None:
            position_vectors = note("position_vectors", self.positions(positions), "position model")
            x = note("embedded", add(tokens, position_vectors), "batch position model")
        x = self.dropout(x)
        for number, block in enumerate(self.blocks):
            x = block(x, positions) if cache is None else block(x, positions, cache.blocks[number])
        return x if self.norm is None else note("normed", self.norm(x), "batch position model")

    def head(self, x: Tensor) -> Tensor:
        """A logit for each token: how much its vector in the table has in common with x; `[batch, position, vocab]`.

        The table is that of the tokens, or where the head is not tied one of its own.
        """
        logits = linear(x, self.tokens.weight) if self.unembedding is None else self.unembedding(x)
        return note("logits", logits, "batch position vocab")

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over all positions of −log p[target], in nats: logits `[batch, position, vocab]`, targets as the ids."""
        return note("cost", cross_entropy(logits, note("targets", targets, "batch position")), "", symbol="C")

    def new_cache(self, batch: int, positions: int | None = None) -> Cache:
        """An empty key-value cache for so many texts, each up to so many positions (None, or more than it: the
        context).

        Raises `Error` for a mask that lets a position see later ones: what is kept of it would change with them.
        """
        if self.sees_later:
            raise Error(nothing_to_keep(self.architecture.mask))
        weight, heads = self.tokens.weight, self.heads
        most = min(self.context, positions or self.context)
        return Cache(len(self.blocks), batch, heads.key_heads, most, heads.channels, weight.dtype, weight.device)

    @property
    def sees_later(self) -> bool:
        """Whether positions see later ones, so that what a position has to say is known to it."""
        return sees_later(MASKS[self.architecture.mask](self.architecture.window or 1))

    def _positions_of(self, ids: Tensor, cache: Cache | SideBySide | None) -> Tensor:
        """Where each of the ids stands in its text, `[position]`."""
        if ids.dim() != 2:
            raise DimensionError(f"GPT takes ids[batch, position]; got a tensor of shape {list(ids.shape)}")
        count = ids.shape[1]
        if cache is not None:
            cache.check(ids)
            return cache.next_positions(count, ids.device)
        if count > self.context:
            raise Error(f"the model reads at most {self.context} tokens at once (its context); got {count}")
        return torch.arange(count, device=ids.device)


SPOKEN = {"rms": "RMS", "gelu": "GELU", "relu": "ReLU", "swiglu": "SwiGLU"}
"""Names of parts as one writes them in a sentence, where that differs."""


def _spoken(chosen: Architecture) -> str:
    """The parts that a newcomer would look up: `rotary positions, RMS norm, SwiGLU`."""
    norm, feed_forward = (SPOKEN.get(name, name) for name in (chosen.norm, chosen.feed_forward))
    return f"{chosen.positions} positions, {norm} norm, {feed_forward}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@dataclass(frozen=True)
class Size:
    """The sizes in which GPT-2 models differ."""

    width: int
    heads: int
    blocks: int


GPT2_SIZES = {
    "124M": Size(width=768, heads=12, blocks=12),
    "355M": Size(width=1024, heads=16, blocks=24),
    "774M": Size(width=1280, heads=20, blocks=36),
    "1.5B": Size(width=1600, heads=25, blocks=48),
}
"""GPT-2's four models by their number of parameters, also called small, medium, large and XL (table 2)."""


def gpt2(size: str = "124M", dropout: float = 0.0, written_out: bool = False) -> GPT:
    """GPT-2 of a published size, with new weights: 50,257 tokens, context 1,024, GELU by tanh.

    Raises `Error` that lists the sizes for one that does not exist.
    """
    if size not in GPT2_SIZES:
        raise Error(f"there is no GPT-2 of size {size!r}; choose one of: {', '.join(GPT2_SIZES)}")
    chosen = GPT2_SIZES[size]
    sizes = replace(
        GPT2.architecture, context=1024, width=chosen.width, heads=chosen.heads, blocks=chosen.blocks, dropout=dropout
    )
    return GPT(50_257, sizes, written_out)
