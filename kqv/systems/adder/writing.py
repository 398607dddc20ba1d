"""An adder that writes the digits of a sum, the ones first."""

from __future__ import annotations

from kqv.data.sums import answer_at, pair_of
from kqv.generation.generate import generate
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.systems.adder.traced import numbers_in
from kqv.systems.adder.trained import TOKENIZER, LoadedAdder, text_of
from kqv.systems.gpt.writing import written
from kqv.systems.writing import Tell, Writing


def write(loaded: LoadedAdder, text: str, how: Writing, tell: Tell) -> str:
    """The digits of a sum such as `12+34`, always the likeliest. Raises `Error` for what is no sum."""
    read = text_of(pair_of(*numbers_in(text), loaded.digits))[: answer_at(loaded.digits)]
    found = ""
    greedy = Sampling(temperature=0)
    for step in generate(Cached(loaded.model), TOKENIZER, TOKENIZER.encode(read), loaded.digits + 1, greedy):
        found += step.text
        tell(written(step))
    return found
