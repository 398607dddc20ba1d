"""Training pairs as tokens: always the same ones, or with BPE-dropout cut anew in each epoch."""

from __future__ import annotations

from collections.abc import Sequence

from kqv.data.parallel.pairs import Pair
from kqv.data.parallel.sentences import Sentences
from kqv.data.text.bpe_dropout import Segmentations
from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.codec import Ids
from kqv.errors import Error
from kqv.systems.translation.vocabularies import EncodedPairs, Vocabularies
from kqv.training.batches import seed_of


class SegmentedPairs:
    """Pairs whose sentences are cut into tokens; `whole` are their usual tokens.

    With a `dropout` above 0, an epoch's tokens are drawn by BPE-dropout (Provilkov et al. 2020), a function of seed and
    epoch. A sentence that then has more than `most` tokens keeps its usual ones. Raises `Error` for BPE-dropout without
    byte pairs.
    """

    def __init__(
        self, pairs: Sequence[Pair], vocabularies: Vocabularies, *, dropout: float, seed: int, most: int
    ) -> None:
        self.whole = vocabularies.encode(pairs)
        self.vocabularies, self.dropout, self.seed, self.most = vocabularies, dropout, seed, most
        self._epoch, self._drawn = -1, self.whole
        if dropout:
            source, target = zip(*pairs, strict=True)
            self._sides = (
                _segmentations(vocabularies.source, source, dropout),
                _segmentations(vocabularies.target, target, dropout),
            )

    def of_epoch(self, epoch: int) -> EncodedPairs:
        """The tokens of all pairs as they are in an epoch."""
        if self.dropout and epoch != self._epoch:
            self._drawn = list(zip(self._side(0, epoch), self._side(1, epoch), strict=True))
            self._epoch = epoch
        return self._drawn

    def _side(self, side: int, epoch: int) -> list[Ids]:
        sentences = (self.vocabularies.source, self.vocabularies.target)[side]
        drawn = self._sides[side].draw(seed_of(self.seed, ("source", "target")[side], epoch))
        usual = (pair[side] for pair in self.whole)
        return [one if len(ids) >= self.most else sentences.ended(ids) for ids, one in zip(drawn, usual, strict=True)]


def _segmentations(sentences: Sentences, texts: Sequence[str], dropout: float) -> Segmentations:
    if not isinstance(sentences.tokenizer, BytePairs):
        raise Error("BPE-dropout cuts byte pairs anew; choose --tokenizer bpe, or leave BPE-dropout out")
    return Segmentations(sentences.tokenizer, [sentences.lead + text for text in texts], dropout)
