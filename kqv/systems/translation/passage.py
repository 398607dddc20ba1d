"""A translator, a sentence and its translation so far, to be asked why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kqv.data.parallel.sentences import BEGIN
from kqv.errors import Error
from kqv.models.transformer import Transformer
from kqv.systems.translation.task import batch_of
from kqv.systems.translation.vocabularies import Vocabularies
from kqv.trace.views.words import visible
from kqv.why.passage import Passage


def passage_of(
    model: Transformer, vocabularies: Vocabularies, translate: Callable[[str], str], sentence: str,
    translation: str | None = None,
) -> Passage:  # fmt: skip
    """A sentence as the encoder reads it, and a translation as the decoder does: by default the model's own.

    Raises `Error` for one that is too long, `DataError` for unknown characters.
    """
    target_text = translate(sentence) if translation is None else translation
    source, target = vocabularies.source.encode(sentence), vocabularies.target.encode(target_text)
    for what, ids in (("sentence", source), ("translation", target)):
        if len(ids) > model.context:
            raise Error(f"the {what} has {len(ids):,} tokens; the model reads at most {model.context:,} (its context)")
    batch = batch_of([(source, target)], model.tokens.weight.device)
    read = [visible(vocabularies.source.token_text(int(token))) for token in source]
    given = [visible(vocabularies.target.token_text(int(token))) for token in np.append(BEGIN, target[:-1])]

    def words(path: str, dimension: str) -> Sequence[str]:
        """The source's of the encoder and its tokens, and of the keys of cross-attention; else the target's."""
        crosses = dimension == "key" and path.rpartition(".")[2] == "cross_attention"
        is_source = path.startswith(("encoder", "source_tokens")) or dimension == "source" or crosses
        return read if is_source else given

    return Passage(
        model, (batch.source, batch.given), words, vocabularies.target,
        lambda other: passage_of(model, vocabularies, translate, other),
    )  # fmt: skip
