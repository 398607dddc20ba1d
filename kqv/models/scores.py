"""Scores: how well a query and a key fit, by name. A new one is a class here (or in a file of its own) and its test.

A score is made for the `Heads` of its attention. It is called with queries `[..., query, channel]` and keys
`[..., key, channel]`, whose leading axes are alike or repeated, and gives `[..., query, key]` (dimensions
`heads.pairs`). It is made of operations, so that its gradient and its arithmetic are known. One with weights of its own
is an `nn.Module`, and its tensors are named under `attention.score`.

What it gives is multiplied by a scale (`kqv.models.scales`); `usual_scale` names the one that it has unless another is
asked for, and without it there is none. Since the maps in front of it are learned, `negative` and `reversed` are `dot`
with other weights: the experiment shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.heads import Heads
from kqv.models.layers import Linear
from kqv.operations import add, flip, matmul, reciprocal, scale, square, squared_length, tanh, unit_length
from kqv.recording import note


class Score(Protocol):
    """How well each query fits each key: the larger, the more of the key's value the query gets."""

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor: ...


SCORES: Choices[Callable[[Heads], Score]] = Choices("score")
"""Scores by name."""


def usual_scale(score: str) -> str:
    """The scale that a score has unless another is asked for: what it says itself, else none."""
    found: str = getattr(SCORES.find(score), "usual_scale", "none")
    return found


@SCORES.add("dot")
class Dot:
    """q·k (Vaswani et al. 2017, Attention Is All You Need, eq. (1))."""

    usual_scale: ClassVar[str] = "sqrt"

    def __init__(self, heads: Heads) -> None:
        self.heads = heads

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return note("products", matmul(queries, keys.mT), self.heads.pairs)

    def _named(self, name: str, tensor: Tensor) -> Tensor:
        return note(name, tensor, self.heads.pairs)

    def _query(self, name: str, tensor: Tensor) -> Tensor:
        return note(name, tensor, f"{self.heads.lead} query channel")

    def _key(self, name: str, tensor: Tensor) -> Tensor:
        return noted_keys(name, tensor, self.heads, "key channel")


def noted_keys(name: str, tensor: Tensor, heads: Heads, dimensions: str) -> Tensor:
    """What is made of keys, named. Shared ones `[batch, key_head, 1, ...]` stand once for their whole group, so that
    axis of size 1 is left out of what is named."""
    if heads.group == 1:
        return note(name, tensor, f"batch head {dimensions}")
    whole = tensor.shape
    return note(name, tensor.view(*whole[:2], *whole[3:]), f"batch key_head {dimensions}").view(whole)


@SCORES.add("squared")
class Squared(Dot):
    """Σ q²·k²: the numbers are squared first, then multiplied and summed.

    So the sign of a number does not count, only how large it is, and no score is below 0.
    """

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        queries, keys = self._query("squared_queries", square(queries)), self._key("squared_keys", square(keys))
        return super().__call__(queries, keys)


@SCORES.add("dot-squared")
class DotSquared(Dot):
    """(q·k)²: the dot product first, then squared. Opposite vectors fit as well as equal ones."""

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self._named("squared_products", square(super().__call__(queries, keys)))


@SCORES.add("negative")
class Negative(Dot):
    """−q·k: a query gets most of what fits it least. With weights that are learned it is `dot` for queries of the
    opposite sign."""

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self._named("negative_products", scale(super().__call__(queries, keys), factor=-1.0))


@SCORES.add("reciprocal")
class Reciprocal(Dot):
    """1/(q·k), kept finite as x/(x² + ε) with x = q·k and ε = 0.01: the worse a key fits, the larger its score.

    It is within 1 % of 1/x from |x| = 1 on, and stays between −5 and 5; x = 0, where 1/x has no value, gives 0.
    """

    usual_scale: ClassVar[str] = "none"

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self._named("reciprocals", reciprocal(super().__call__(queries, keys), epsilon=0.01))


@SCORES.add("reversed")
class Reversed(Dot):
    """Σ_c q[c]·k[n−1−c]: the query meets the key read backwards along its channels.

    With weights that are learned it is `dot` with the keys' map read backwards, unless positions turn the channels.
    """

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().__call__(queries, self._key("reversed_keys", flip(keys)))


@SCORES.add("cosine")
class Cosine(Dot):
    """q·k/(‖q‖·‖k‖): the cosine of the angle between them, whatever their lengths.

    Henry et al. 2020, Query-Key Normalization for Transformers, eq. (2). From −1 to 1 it tells keys apart too little
    for weights near 0 or 1, so its usual scale is learned.
    """

    usual_scale: ClassVar[str] = "learned"

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().__call__(
            self._query("query_directions", unit_length(queries)), self._key("key_directions", unit_length(keys))
        )


@SCORES.add("distance")
class Distance(Dot):
    """−‖q − k‖²/2 = q·k − ‖q‖²/2 − ‖k‖²/2: the nearer the key, the better it fits.

    Its softmax weighs keys by a Gaussian kernel (Tsai et al. 2019, Transformer Dissection, section 3.1). ‖q‖² is the
    same for all keys, so that softmax does not see it; other normalisers do.
    """

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        lengths = note("query_lengths", squared_length(queries), f"{self.heads.lead} query")
        own = note("query_halves", scale(lengths, factor=-0.5), f"{self.heads.lead} query")
        lengths = noted_keys("key_lengths", squared_length(keys), self.heads, "key")
        their = noted_keys("key_halves", scale(lengths, factor=-0.5), self.heads, "key")
        nearer = self._named("less_queries", add(super().__call__(queries, keys), own.view(*own.shape, 1)))
        return self._named("distances", add(nearer, their.view(*their.shape[:-1], 1, -1)))


@SCORES.add("none")
class Alike(Dot):
    """0·(q·k): every key fits alike, so that a query gets the mean of the values that it sees."""

    usual_scale: ClassVar[str] = "none"

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self._named("alike", scale(super().__call__(queries, keys), factor=0.0))


@SCORES.add("additive")
class Additive(nn.Module):
    """vᵀ·tanh(W·q + U·k): a layer of neurons that see a query and a key, with weights of its own for all heads.

    Bahdanau, Cho, Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate, appendix A.1.2:
    a(s, h) = vᵀ·tanh(W·s + U·h). It keeps `channels` numbers for each pair of a query and a key.
    """

    usual_scale: ClassVar[str] = "none"

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(heads.channels, heads.channels, bias=False)
        self.key = Linear(heads.channels, heads.channels, bias=False)
        self.output = Linear(heads.channels, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        pairs = f"{self.heads.pairs} channel"
        asked = note("mapped_queries", self.query(queries), f"{self.heads.lead} query channel")
        given = noted_keys("mapped_keys", self.key(keys), self.heads, "key channel")
        asked = asked.view(*asked.shape[:-1], 1, -1)
        given = given.view(*given.shape[:-2], 1, *given.shape[-2:])
        found = self.output(note("bent", tanh(note("met", add(asked, given), pairs)), pairs))
        return found.view(found.shape[:-1])  # type: ignore[no-any-return]
