"""The Transformer of "Attention Is All You Need": an encoder reads a text, a decoder writes another one from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.attention import Attention
from kqv.models.blocks import BLOCKS, RESIDUALS, STREAM, Block
from kqv.models.cache import Cache, ContextCache
from kqv.models.composed import unusual_parts
from kqv.models.decoder_blocks import DECODER_BLOCKS, DecoderBlock
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.layers import NORMS, Dropout, Embedding, Linear, Norm
from kqv.models.masks import MASKS, nothing_to_keep, sees_later, usual_window
from kqv.models.positions import POSITIONS
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.operations import add, cross_entropy, linear, scale
from kqv.recording import note


class DecoderCache:
    """What a decoder keeps of its own text (`own`), and for each block of the source (`contexts`)."""

    def __init__(self, own: Cache) -> None:
        self.own = own
        self.contexts = [ContextCache() for _ in own.blocks]

    @property
    def length(self) -> int:
        """How many positions of the target every block has seen."""
        return self.own.length

    def select(self, rows: Tensor, sources: Tensor | None = None) -> None:
        """Text `rows[i]` becomes text i, and source `sources[i]` source i (None: the sources stay as they are)."""
        self.own.select(rows)
        if sources is not None:
            for context in self.contexts:
                context.select(sources)


class Inputs(nn.Module):
    """√width·token vectors, and where they stand added; in training and decoding alike (Vaswani et al. 2017, 3.4)."""

    def __init__(self, chosen: TranslatorArchitecture) -> None:
        super().__init__()
        encoding = POSITIONS[chosen.positions]
        self.factor = math.sqrt(chosen.width)
        self.positions = None if encoding.vectors is None else encoding.vectors(chosen.context, chosen.width)
        self.dropout = Dropout(chosen.dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Token vectors `[batch, position, model]` at `positions[position]`."""
        x = note("scaled", scale(tokens, factor=self.factor), STREAM)
        if self.positions is not None:
            vectors = note("position_vectors", self.positions(positions), "position model")
            x = note("embedded", add(x, vectors), STREAM)
        return self.dropout(x)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Blocks in which every position sees all that is no padding; token vectors in, `[batch, position, model]` out."""

    def __init__(self, chosen: TranslatorArchitecture, written_out: bool) -> None:
        super().__init__()
        self.inputs = Inputs(chosen)
        self.blocks = nn.ModuleList(_encoder_block(chosen, written_out) for _ in range(chosen.encoder_blocks))
        self.norm = _last_norm(chosen)

    def forward(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """`present[batch, key]`: false where a token is padding."""
        positions = note("positions", torch.arange(tokens.shape[1], device=tokens.device), "position")
        x = self.inputs(tokens, positions)
        for block in self.blocks:
            x = block(x, positions, present=present)
        return x if self.norm is None else note("normed", self.norm(x), STREAM)


class Decoder(nn.Module):
    """Blocks in which every position sees those up to its own, and all of the source that is no padding."""

    def __init__(self, chosen: TranslatorArchitecture, written_out: bool) -> None:
        super().__init__()
        self.inputs = Inputs(chosen)
        self.blocks = nn.ModuleList(_decoder_block(chosen, written_out) for _ in range(chosen.decoder_blocks))
        self.norm = _last_norm(chosen)

    def forward(
        self, tokens: Tensor, context: Tensor, present: Tensor | None = None, cache: DecoderCache | None = None
    ) -> Tensor:
        """Token vectors `[batch, position, model]` and a context `[batch, key, model]` with its `present`."""
        start = 0 if cache is None else cache.length
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        positions = note("positions", positions, "position")
        x = self.inputs(tokens, positions)
        for number, block in enumerate(self.blocks):
            caches = (None, None) if cache is None else (cache.own.blocks[number], cache.contexts[number])
            x = block(x, positions, context, present, caches)
        return x if self.norm is None else note("normed", self.norm(x), STREAM)


class Transformer(nn.Module):
    """An encoder-decoder: `forward(source[batch, source], target[batch, position]) -> logits[batch, position, vocab]`.

    For each position of the target: what may come next, given the source and the target so far. Without an
    `architecture` it is the base model of Vaswani et al. 2017. With shared tables there is one vocabulary;
    `source_vocab` is the source's otherwise. `written_out`: attention computes scores and weights as tensors of their
    own. Raises `Error` for a vocabulary without a token, or two of different sizes that are to share a table.
    """

    def __init__(
        self, vocab: int, source_vocab: int | None = None, architecture: TranslatorArchitecture | None = None,
        written_out: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        chosen = architecture or TranslatorArchitecture()
        read = vocab if source_vocab is None else source_vocab
        if min(vocab, read) < 1:
            raise Error(f"a vocabulary has at least 1 token; got {vocab} for the target, {read} for the source")
        shares = chosen.tables == "shared"
        if shares and read != vocab:
            raise Error(f"with shared tables source and target have one vocabulary; got {read} and {vocab} tokens")
        self.architecture, self.vocab, self.source_vocab = chosen, vocab, read
        self.context, self.width = chosen.context, chosen.width
        self.tokens = Embedding(vocab, chosen.width)
        self.source_tokens = None if shares else Embedding(read, chosen.width, "source_vocab model")
        self.encoder = Encoder(chosen, written_out)
        self.decoder = Decoder(chosen, written_out)
        self.unembedding = Linear(chosen.width, vocab, bias=False) if chosen.tables == "separate" else None
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """New weights: tables normal with deviation 1/√width, so that √width times them is about 1; each map
        √(2/(in + out)) (Glorot, Bengio 2010, eq. (16)), maps that are one product each by itself; biases 0, norms 1."""
        for module in self.modules():
            if isinstance(module, Embedding):
                nn.init.normal_(module.weight, std=self.width**-0.5)
            elif isinstance(module, Linear):
                for part in torch.split(module.weight, list(module.parts) or len(module.weight)):
                    nn.init.normal_(part, std=math.sqrt(2 / sum(part.shape)))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.unembedding is not None:
            nn.init.normal_(self.unembedding.weight, std=self.width**-0.5)

    def forward(self, source: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits `[batch, position, vocab]`; `present[batch, source]`: false where the source is padding.

        Raises `DimensionError` for ids that do not belong together, `Error` where a text goes past the context.
        """
        return self.decode(target, self.encode(source, present), present)

    def encode(self, source: Tensor, present: Tensor | None = None) -> Tensor:
        """What the encoder makes of the source: `[batch, source, model]`."""
        self._check("source", source, source.shape[0] if source.dim() else 0, 0)
        if present is not None and present.shape != source.shape:
            raise DimensionError(f"present{list(present.shape)} does not fit source{list(source.shape)}: one for each")
        table = self.tokens if self.source_tokens is None else self.source_tokens
        vectors = table(note("source_ids", source, "batch source"))
        vectors = note("source_vectors", vectors, "batch source model")
        return self.encoder(vectors, present)  # type: ignore[no-any-return]

    def decode(
        self, target: Tensor, encoded: Tensor, present: Tensor | None = None, cache: DecoderCache | None = None
    ) -> Tensor:
        """Logits `[batch, position, vocab]` from what `encode` gave; with a cache the ids are the next ones.

        With a cache `encoded` and `present` may have fewer rows: each is then the source of equally many targets, which
        stand one below the other, as in beam search.
        """
        batch = len(encoded)
        if cache is not None and batch and target.dim() and not target.shape[0] % batch:
            batch = target.shape[0]
        self._check("target", target, batch, 0 if cache is None else cache.length)
        if cache is not None:
            cache.own.check(target)
        vectors = self.tokens(note("ids", target, "batch position"))
        x = self.decoder(note("token_vectors", vectors, STREAM), encoded, present, cache)
        logits = linear(x, self.tokens.weight) if self.unembedding is None else self.unembedding(x)
        return note("logits", logits, "batch position vocab")

    def loss(self, logits: Tensor, targets: Tensor, padding: int = -100, smoothing: float = 0.0) -> Tensor:
        """Mean of −Σ_k q[k]·log p[k] over the targets `[batch, position]` that are no `padding`, in nats.

        `smoothing` of each target's 1 is spread over the vocabulary (Vaswani et al. 2017, 5.4).
        """
        targets = note("targets", targets, "batch position")
        return note("cost", cross_entropy(logits, targets, smoothing=smoothing, ignored=padding), "", symbol="C")

    def new_cache(self, batch: int, first: int | None = None) -> DecoderCache:
        """An empty cache for decoding so many texts, each up to the context; at first with room for `first` tokens.

        Raises `Error` for a mask that lets a position see later ones: what is kept of it would change with them.
        """
        if self.sees_later:
            raise Error(nothing_to_keep(self.architecture.mask))
        weight, heads = self.tokens.weight, self.architecture.shared()
        blocks = len(self.decoder.blocks)
        sizes = blocks, batch, heads.key_heads, self.context, heads.channels
        own = Cache(*sizes, weight.dtype, weight.device, first)
        return DecoderCache(own)

    @property
    def sees_later(self) -> bool:
        """Whether a target's positions see later ones of it, so that what a position has to say is known to it."""
        return sees_later(MASKS[self.architecture.mask](self.architecture.window or 1))

    def describe(self) -> str:
        """What it is, in a few words: `a Transformer with 4 + 4 blocks (post-norm), 4 heads, 128 wide, vocab 4,096`."""
        chosen = self.architecture
        vocabulary = f"{self.vocab:,}"
        if self.source_tokens is not None:
            vocabulary = f"{self.source_vocab:,} and {self.vocab:,}"
        parts = ", ".join([chosen.block, *unusual_parts(chosen)])
        return (
            f"a Transformer with {chosen.encoder_blocks} + {chosen.decoder_blocks} blocks ({parts}), "
            f"{chosen.heads} heads, {chosen.width} wide, vocab {vocabulary}"
        )

    def _check(self, name: str, ids: Tensor, batch: int, before: int) -> None:
        if ids.dim() != 2 or ids.shape[0] != batch:
            expected = f"{name}[batch, position] of the source's batch" if name == "target" else "source[batch, source]"
            raise DimensionError(f"expected {expected}; got a tensor of shape {list(ids.shape)}")
        if before + ids.shape[1] > self.context:
            length = before + ids.shape[1]
            raise Error(f"the model reads at most {self.context} tokens of a {name} (its context); got {length}")


def _norm(chosen: TranslatorArchitecture) -> Norm:
    return NORMS[chosen.norm](chosen.width, chosen.bias, chosen.epsilon)


def _last_norm(chosen: TranslatorArchitecture) -> Norm | None:
    return None if BLOCKS[chosen.block].gives_normed or chosen.norm == "none" else _norm(chosen)


def _attention(chosen: TranslatorArchitecture, mask: str, written_out: bool) -> Attention:
    encoding, heads = POSITIONS[chosen.positions], chosen.shared()
    return Attention(
        chosen.width, heads, score=chosen.score, scale=chosen.scale, normaliser=chosen.normaliser, mask=mask,
        window=chosen.window or usual_window(chosen.context),
        turn=None if encoding.turn is None else encoding.turn(chosen.rotary_base),
        lower=None if encoding.lower is None else encoding.lower(heads), bias=chosen.bias, dropout=chosen.dropout,
        attention_dropout=chosen.attention_dropout, written_out=written_out,
    )  # fmt: skip


def _cross_attention(chosen: TranslatorArchitecture, written_out: bool) -> Attention:
    return Attention(
        chosen.width, chosen.shared(), score=chosen.score, scale=chosen.scale, normaliser=chosen.normaliser,
        mask="none", bias=chosen.bias, dropout=chosen.dropout, attention_dropout=chosen.attention_dropout,
        context_width=chosen.width, written_out=written_out,
    )  # fmt: skip


def _fed(chosen: TranslatorArchitecture) -> nn.Module:
    part = FEED_FORWARD[chosen.feed_forward]
    return part.make(chosen.width, chosen.hidden or part.hidden(chosen.width), chosen.bias, chosen.dropout)


def _encoder_block(chosen: TranslatorArchitecture, written_out: bool) -> Block:
    attention = _attention(chosen, "none", written_out)
    return BLOCKS[chosen.block](_norm(chosen), attention, _norm(chosen), _fed(chosen), RESIDUALS[chosen.residual])


def _decoder_block(chosen: TranslatorArchitecture, written_out: bool) -> DecoderBlock:
    own, cross = _attention(chosen, chosen.mask, written_out), _cross_attention(chosen, written_out)
    norms, join = (_norm(chosen), _norm(chosen), _norm(chosen)), RESIDUALS[chosen.residual]
    return DECODER_BLOCKS[chosen.block](norms, own, cross, _fed(chosen), join)
