"""BERT: an encoder, which reads a text from both sides; each position sees every other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.architecture import Architecture
from kqv.models.blocks import STREAM
from kqv.models.composed import block_of, last_norm_of, norm_of
from kqv.models.families import BERT as FAMILY
from kqv.models.layers import Dropout, Embedding
from kqv.models.positions import POSITIONS
from kqv.models.scales import start_scales
from kqv.operations import add
from kqv.recording import note

DEVIATION = 0.02
"""Of new weights, as in BERT's published code."""


class BERT(nn.Module):
    """An encoder: token, type and position vectors are added and normed, and blocks in which every position sees all
    make of them `hidden[batch, position, model]`.

    Devlin et al. 2019, BERT, section 3. Without an `architecture` a small one of that family
    (`kqv.models.families.BERT`). `types`: how many kinds of token there are; BERT has two, for the two texts of a pair.
    It has no head, so it predicts no tokens. `written_out`: attention computes scores and weights as tensors of their
    own. Raises `Error` for a vocabulary without a token, or without a type.
    """

    def __init__(
        self, vocab: int, architecture: Architecture | None = None, types: int = 2, written_out: bool = False
    ) -> None:
        super().__init__()
        if min(vocab, types) < 1:
            raise Error(f"an encoder has at least 1 token and 1 token type; got {vocab} and {types}")
        chosen = (architecture or FAMILY.architecture).resolved()
        self.architecture = chosen
        self.vocab, self.context, self.width = vocab, chosen.context, chosen.width
        self.heads = chosen.shared()
        encoding = POSITIONS[chosen.positions]
        self.tokens = Embedding(vocab, chosen.width)
        self.types = Embedding(types, chosen.width, "type model")
        self.positions = None if encoding.vectors is None else encoding.vectors(chosen.context, chosen.width)
        self.embedding_norm = norm_of(chosen)
        self.dropout = Dropout(chosen.dropout or 0.0)
        self.blocks = nn.ModuleList(block_of(chosen, written_out) for _ in range(chosen.blocks))
        self.norm = last_norm_of(chosen)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """New weights: matrices and tables normal with deviation 0.02, biases 0, norms 1."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=DEVIATION)
            else:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
        start_scales(self)

    def describe(self) -> str:
        """What it is, in a few words: `an encoder of BERT's architecture, 6 blocks, 12 heads, 384 wide, context 512,
        vocab 30522`."""
        family = f"an encoder of {FAMILY.title}'s architecture"
        different = FAMILY.differences(self.architecture)
        if different:
            family = f"an encoder ({', '.join(different)})"
        sizes = f"{len(self.blocks)} blocks, {self.heads.count} heads, {self.width} wide"
        return f"{family}, {sizes}, context {self.context}, vocab {self.vocab}"

    def forward(self, ids: Tensor, types: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """`hidden[batch, position, model]` of `ids[batch, position]`.

        `types[batch, position]`: the type of each token, by default 0. `present[batch, key]`: false where a token is
        not to be seen, as padding; what stands there sees the others all the same.
        Raises `DimensionError` for tensors that do not fit, `Error` for a text that goes past the context.
        """
        self._check(ids, types, present)
        types = torch.zeros_like(ids) if types is None else types
        ids, types = note("ids", ids, "batch position"), note("types", types, "batch position")
        positions = note("positions", torch.arange(ids.shape[1], device=ids.device), "position")
        tokens = note("token_vectors", self.tokens(ids), STREAM)
        x = note("typed", add(tokens, note("type_vectors", self.types(types), STREAM)), STREAM)
        if self.positions is not None:
            position_vectors = note("position_vectors", self.positions(positions), "position model")
            x = note("summed", add(x, position_vectors), STREAM)
        x = self.dropout(note("embedded", self.embedding_norm(x), STREAM))
        for block in self.blocks:
            x = block(x, positions, present=present)
        return note("hidden", x if self.norm is None else self.norm(x), STREAM)

    def _check(self, ids: Tensor, types: Tensor | None, present: Tensor | None) -> None:
        if ids.dim() != 2:
            raise DimensionError(f"an encoder takes ids[batch, position]; got a tensor of shape {list(ids.shape)}")
        for name, tensor in (("types", types), ("present", present)):
            if tensor is not None and tensor.shape != ids.shape:
                raise DimensionError(f"{name}{list(tensor.shape)} does not fit ids{list(ids.shape)}: one for each")
        if ids.shape[1] > self.context:
            raise Error(f"the model reads at most {self.context} tokens at once (its context); got {ids.shape[1]}")
