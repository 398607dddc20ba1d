"""The fast step: the next token of each text, computed by the framework's kernels alone.

It is what `GPT.forward` computes for one new position of each text, for models of the usual parts, without what makes
those readable: no call goes through an operation, and nothing is named. Its matrices can be kept in a smaller type
(`kqv.generation.weights`). It reads and extends the same key-value cache as the model itself, so either may go on where
the other stopped. `tests/generation/test_fast_step.py` holds it equal to the model. In smaller types a text's logits
are the same to the last bit whatever other texts go on beside it (x86), and so are they with matrices that are kept
`for_company`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from kqv.generation.weights import Matrix, Weights, as_given, matrix_of
from kqv.models.attention import Attention
from kqv.models.blocks import Block, PreNorm
from kqv.models.cache import BlockCache, Cache
from kqv.models.feed_forward import FeedForward, GatedFeedForward
from kqv.models.gpt import GPT
from kqv.models.layers import LayerNorm, RMSNorm
from kqv.models.positions import Rotary
from kqv.models.side_by_side import SideBySide, SideBySideBlock
from kqv.operations import gelu, gelu_tanh, relu, silu

Map = Callable[[Tensor], Tensor]
Keep = Callable[[Tensor, Tensor | None], Matrix]
Waves = tuple[Tensor, Tensor] | None
Kept = BlockCache | SideBySideBlock
Step = Callable[[Tensor, Kept, Waves], Tensor]

MOST_COPIED = 4 << 30
"""Bytes: of a larger model no float32 matrix is copied into a faster layout, since that may double its memory."""


def keeping(model: GPT, weights: Weights = "float32") -> Keep:
    """How matrices are kept for texts that go on together, or for one: in this type, as they are read fastest."""
    bytes_of_all = sum(parameter.nbytes for parameter in model.parameters())
    has_room = weights != "float32" or bytes_of_all <= MOST_COPIED
    return partial(matrix_of, weights) if has_room else as_given


class FastStep:
    """One new token of each text. Raises `Error` for weights that this build of PyTorch cannot keep.

    `model` is one in which `kqv.generation.obstacles` finds none; `keep` makes its matrices ready (None: float32, as
    `keeping` says). Its weights are read as they are now: matrices that
    are kept as copies do not follow when it is trained further.
    """

    def __init__(self, model: GPT, keep: Keep | None = None) -> None:
        keep = keep or keeping(model)
        self.tokens = model.tokens.weight.detach()
        self.vectors = model.positions
        self.blocks = [_block_of(block, model, keep) for block in model.blocks]
        self.norm = _norm_of(model.norm)
        head = self.tokens if model.unembedding is None else model.unembedding.weight
        self.head = keep(head, None)
        self.turn: Rotary | None = model.blocks[0].attention.turn  # type: ignore[union-attr, assignment]
        half = model.heads.channels // 2
        self.right_angles = torch.cat((torch.ones(1, half), torch.zeros(1, half)), 1)

    @torch.inference_mode()
    def __call__(self, ids: Tensor, cache: Cache | SideBySide) -> Tensor:
        """Logits `[text, vocab]` after the tokens `ids[text]`, which the cache has as its last ones from then on, or
        each text's own cache; a tensor of inference mode."""
        are_apart = isinstance(cache, SideBySide)
        cache.check(ids.unsqueeze(0 if are_apart else 1))
        x = functional.embedding(ids, self.tokens)
        positions = cache.next_positions(len(ids) if are_apart else 1, ids.device)
        if self.vectors is not None:
            x = x + self.vectors(positions)
        waves = None if self.turn is None else self._waves(self.turn, positions)
        blocks: Sequence[Kept] = cache.blocks
        for block, kept in zip(self.blocks, blocks, strict=True):
            x = block(x, kept, waves)
        return self.head(self.norm(x))

    def _waves(self, turn: Rotary, positions: Tensor) -> tuple[Tensor, Tensor]:
        """What a number and its partner half a head away are multiplied by, `[position, 1, channel]` each: turning
        (1, 0) shows the angles' cosines and sines."""
        turned = turn(self.right_angles.expand(len(positions), -1), positions).unsqueeze(1)
        cosines, sines = turned.chunk(2, -1)
        return torch.cat((cosines, cosines), -1), torch.cat((-sines, sines), -1)


def _block_of(block: nn.Module, model: GPT, keep: Keep) -> Step:
    assert isinstance(block, Block)
    window = model.architecture.window if model.architecture.mask == "window" else None
    attention = AttentionStep(block.attention, keep, window)  # type: ignore[arg-type]
    fed = _feed_forward_of(block.feed_forward, keep)
    norms = _norm_of(block.attention_norm), _norm_of(block.feed_forward_norm)
    adds = model.architecture.residual == "add"
    return partial(_pre_norm if isinstance(block, PreNorm) else _post_norm, attention, fed, norms, adds)


def _pre_norm(
    attention: AttentionStep, fed: Map, norms: tuple[Map, Map], adds: bool, x: Tensor, kept: Kept, waves: Waves
) -> Tensor:
    attended = attention(norms[0](x), kept, waves)
    x = attended.add_(x) if adds else attended
    y = fed(norms[1](x))
    return y.add_(x) if adds else y


def _post_norm(
    attention: AttentionStep, fed: Map, norms: tuple[Map, Map], adds: bool, x: Tensor, kept: Kept, waves: Waves
) -> Tensor:
    attended = attention(x, kept, waves)
    x = norms[0](attended.add_(x) if adds else attended)
    y = fed(x)
    return norms[1](y.add_(x) if adds else y)


class AttentionStep:
    """Attention of one new position of each text, x `[text, model]`, to all that its cache holds and itself."""

    def __init__(self, attention: Attention, keep: Keep, window: int | None) -> None:
        assert attention.query_key_value is not None
        self.heads, self.window = attention.heads, window
        self.joined = keep(attention.query_key_value.weight, attention.query_key_value.bias)
        self.projection = keep(attention.projection.weight, attention.projection.bias)
        self.norms = None
        if attention.query_norm is not None and attention.key_norm is not None:
            self.norms = _norm_of(attention.query_norm), _norm_of(attention.key_norm)

    def __call__(self, x: Tensor, kept: Kept, waves: Waves) -> Tensor:
        heads, texts = self.heads, len(x)
        joined = self.joined(x).view(texts, -1, heads.channels)
        asking = joined[:, : heads.count + heads.key_heads]  # queries and keys are normed and turned alike
        if self.norms is not None:
            of_queries, of_keys = self.norms
            asking = torch.cat((of_queries(asking[:, : heads.count]), of_keys(asking[:, heads.count :])), 1)
        if waves is not None:
            asking = torch.roll(asking, heads.channels // 2, -1).mul_(waves[1]).addcmul_(asking, waves[0])
        new = asking[:, heads.count :].unsqueeze(2), joined[:, heads.count + heads.key_heads :].unsqueeze(2)
        # heads that share keys are so many more queries of theirs
        queries = asking[:, : heads.count].view(texts, heads.key_heads, heads.group, heads.channels)
        if isinstance(kept, SideBySideBlock):
            each = zip(kept.caches, *(torch.split(part, 1) for part in (queries, *new)), strict=True)
            mixed = torch.cat([self._mixed(query, *cache.extend(key, value)) for cache, query, key, value in each])
        else:
            mixed = self._mixed(queries, *kept.extend(*new))
        return self.projection(mixed.reshape(texts, heads.widths[0]))

    def _mixed(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        if self.window is not None:
            keys, values = keys[:, :, -self.window :], values[:, :, -self.window :]
        return functional.scaled_dot_product_attention(queries, keys, values)


BENDS: list[tuple[object, Map]] = [
    (silu, functional.silu), (gelu, functional.gelu), (gelu_tanh, partial(functional.gelu, approximate="tanh")),
    (relu, torch.relu),
]  # fmt: skip
"""The framework's own function for an operation; other functions are called as they are."""


def _feed_forward_of(part: nn.Module, keep: Keep) -> Map:
    assert isinstance(part, FeedForward | GatedFeedForward)
    widen, narrow = keep(part.widen.weight, part.widen.bias), keep(part.narrow.weight, part.narrow.bias)
    bend = next((own for operation, own in BENDS if operation is part.bend), part.bend)
    if isinstance(part, FeedForward):
        return lambda x: narrow(bend(widen(x)))

    def gated(x: Tensor) -> Tensor:
        gate, hidden = widen(x).chunk(2, -1)
        return narrow(bend(gate) * hidden)

    return gated


def _norm_of(norm: nn.Module | None) -> Map:
    if isinstance(norm, LayerNorm):
        weight, bias = norm.weight.detach(), None if norm.bias is None else norm.bias.detach()
        return lambda x: functional.layer_norm(x, weight.shape, weight, bias, norm.epsilon)
    if isinstance(norm, RMSNorm):
        return partial(_rms_norm, norm.weight.detach(), norm.epsilon)
    return lambda x: x


def _rms_norm(gain: Tensor, epsilon: float, x: Tensor) -> Tensor:
    """γ·x/√(mean(x²) + ε) for each row of x `[row, model]`, by numbers in place of tensors, in half the time; of more
    axes by the framework's kernel."""
    if x.dim() != 2:
        return functional.rms_norm(x, gain.shape, gain, epsilon)
    factors = [(float(torch.dot(row, row)) / len(gain) + epsilon) ** -0.5 for row in x]
    return (x * gain).mul_(factors[0] if len(factors) == 1 else torch.tensor(factors).unsqueeze(1))
