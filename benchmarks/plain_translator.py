"""A Transformer as one writes it with `torch.nn.Transformer`: the yardstick for `kqv.models.transformer`.

Nothing of kqv is imported here. Dropout acts on the embeddings and on what each part adds to the stream, not on the
attention weights nor inside the feed-forward part: so do fairseq's defaults, and so do kqv's recipes for Multi30k.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(context: int, model: int) -> Tensor:
    """`[position, model]`: sines in the even columns, cosines in the odd ones (Vaswani et al. 2017, 3.5)."""
    angles = torch.arange(context).unsqueeze(1) / 10_000 ** (torch.arange(0, model, 2) / model)
    return torch.stack((angles.sin(), angles.cos()), 2).flatten(1)


class PlainTranslator(nn.Module):
    """`forward(source[batch, source], target[batch, position], padding) -> logits[batch, position, vocab]`.

    One table for source, target and projection. `padding[batch, source]` is true where the source is padding.
    """

    def __init__(
        self, vocab: int, context: int, model: int, heads: int, hidden: int, layers: int, dropout: float,
        pre_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.table = nn.Embedding(vocab, model)
        self.register_buffer("positions", sinusoids(context, model), persistent=False)
        self.dropout = nn.Dropout(dropout)
        options = {"dropout": dropout, "batch_first": True, "norm_first": pre_norm}
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(model, heads, hidden, **options), layers, nn.LayerNorm(model),
            enable_nested_tensor=False,
        )  # fmt: skip
        self.transformer = nn.Transformer(model, heads, 1, layers, hidden, custom_encoder=encoder, **options)
        if not pre_norm:  # the last block ends in a norm already
            self.transformer.encoder.norm = self.transformer.decoder.norm = None
        for module in self.transformer.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
            elif isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                module.dropout.p = 0.0
        nn.init.normal_(self.table.weight, std=model**-0.5)

    def embed(self, ids: Tensor) -> Tensor:
        """Token vectors with their positions, `[batch, position, model]`."""
        positions: Tensor = self.positions[: ids.shape[1]]  # type: ignore[index,assignment]
        return self.dropout(self.table(ids) * math.sqrt(self.table.embedding_dim) + positions)  # type: ignore[no-any-return]

    def encode(self, source: Tensor, padding: Tensor) -> Tensor:
        """What the encoder makes of the source, `[batch, source, model]`."""
        return self.transformer.encoder(self.embed(source), src_key_padding_mask=padding)  # type: ignore[no-any-return]

    def decode(self, target: Tensor, encoded: Tensor, padding: Tensor) -> Tensor:
        """What the decoder makes of the target so far, `[batch, position, model]`."""
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool, device=target.device).triu(1)
        return self.transformer.decoder(  # type: ignore[no-any-return]
            self.embed(target), encoded, tgt_mask=later, memory_key_padding_mask=padding, tgt_is_causal=True
        )

    def forward(self, source: Tensor, target: Tensor, padding: Tensor) -> Tensor:
        return F.linear(self.decode(target, self.encode(source, padding), padding), self.table.weight)


@torch.no_grad()
def beam_search(
    model: PlainTranslator, source: Tensor, padding: Tensor, begin: int, end: int, beams: int = 5, longest: int = 100
) -> list[list[int]]:
    """For each source the ids that it finds, without `begin` and `end`: the largest log p/length of `beams` finished.

    Of 2·beams candidates those among the first `beams` that end are finished, and the best `beams` of the others go on.
    The decoder reads the whole text again at each step.
    """
    encoded = model.encode(source, padding)
    best: list[tuple[float, list[int]]] = [(-math.inf, []) for _ in range(len(source))]
    count = [0] * len(source)
    alive = list(range(len(source)))
    texts = torch.full((len(source), beams, 1), begin)
    scores = torch.full((len(source), beams), -math.inf)
    scores[:, 0] = 0.0
    for length in range(1, longest + 1):
        rows = torch.tensor(alive).repeat_interleave(beams)
        decoded = model.decode(texts.flatten(0, 1), encoded[rows], padding[rows])[:, -1]
        logs = torch.log_softmax(F.linear(decoded, model.table.weight), 1).view(len(alive), beams, -1)
        vocab = logs.shape[-1]
        values, at = (logs + scores.unsqueeze(-1)).flatten(1).topk(2 * beams)
        ends = at % vocab == end
        for row, rank in (ends[:, :beams] & (values[:, :beams] > -math.inf)).nonzero().tolist():
            number, score = alive[row], float(values[row, rank]) / length
            count[number] += 1
            if score > best[number][0]:
                best[number] = score, texts[row, at[row, rank] // vocab, 1:].tolist()
        left = [row for row, number in enumerate(alive) if count[number] < beams]
        if not left:
            break
        values, at, ends, texts = (part[left] for part in (values, at, ends, texts))
        chosen = ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :beams]
        scores, at = values.gather(1, chosen), at.gather(1, chosen)
        earlier = texts.gather(1, (at // vocab).unsqueeze(-1).expand(-1, -1, length))
        texts = torch.cat((earlier, (at % vocab).unsqueeze(-1)), 2)
        alive = [alive[row] for row in left]
    for row, number in enumerate(alive):
        if not count[number]:  # it never ended: the likeliest text so far
            best[number] = float(scores[row, 0]), texts[row, 0, 1:].tolist()
    return [ids for _, ids in best]
