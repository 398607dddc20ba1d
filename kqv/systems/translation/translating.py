"""Translating sentences: text in, text out, with one run's model or several together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import Error
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.models.transformer import Transformer
from kqv.systems.translation.vocabularies import Vocabularies


@dataclass(frozen=True)
class Translation:
    """A translation with its score, log p/length^penalty, and its log p in nats. `complete` is false where it was cut
    at the most tokens that the model can write."""

    text: str
    score: float
    log_probability: float
    complete: bool = True


def translate_sentences(
    models: Sequence[Transformer], vocabularies: Vocabularies, sentences: Sequence[str], how: BeamSearch, *,
    first_line: int = 1, advance: Callable[[int, int], None] | None = None,
    watch: Callable[[Sequence[int]], None] | None = None,
) -> list[list[Translation]]:  # fmt: skip
    """The `how.n_best` translations of each sentence, best first; of one without a word, nothing.

    `first_line`: the number of the first sentence, for errors; `advance` and `watch` as in `beam_search`. Raises
    `Error` with the line for what the vocabulary does not have, and for a sentence longer than the model can read.
    """
    numbers = [number for number, sentence in enumerate(sentences) if sentence.strip()]
    sources = [encode_line(sentences[number], first_line + number, vocabularies, models) for number in numbers]
    found: list[list[Translation]] = [[Translation("", 0.0, 0.0)] for _ in sentences]
    if not sources:
        return found
    hypotheses = beam_search(models, sources, BEGIN, END, how, advance=advance, watch=watch)
    for number, best in zip(numbers, hypotheses, strict=True):
        found[number] = [
            Translation(vocabularies.target.decode(one.ids), one.score, one.log_probability, one.complete)
            for one in best
        ]
    return found


def encode_line(sentence: str, line: int, vocabularies: Vocabularies, models: Sequence[Transformer]) -> list[int]:
    """A sentence's ids. Raises `Error` with its line as `translate_sentences`."""
    try:
        ids = vocabularies.source.encode(sentence)
    except Error as failure:
        raise type(failure)(f"line {line:,}: {failure}") from None
    most = min(model.context for model in models)
    if len(ids) > most:
        raise Error(
            f"line {line:,} has {len(ids):,} tokens, and the model reads at most {most:,}; translate it in parts"
        )
    tokens: list[int] = ids.tolist()
    return tokens
