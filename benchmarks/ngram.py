"""An n-gram model with Kneser–Ney smoothing: the floor that a GPT on the same text should leave behind.

    python benchmarks/ngram.py --data shakespeare --tokenizer characters
    python benchmarks/ngram.py --data my-texts/ --order 5 --json

Splits, vocabulary and tokens are those that `kqv train gpt` makes of the same words, and the score is over the whole
validation split: every token but the first, so that the loss stands beside that of `kqv evaluate`. Nothing is tuned on
it; the discounts follow from the training text's counts. Memory: some 200 bytes for each token of it at order 5.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from kqv.data.text.corpora import load_text
from kqv.data.text.tokenizers import make_tokenizer
from kqv.data.text.tokens import tokenized
from kqv.errors import Error
from kqv.evaluation.text import TextScores

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DISTINGUISHED = 3  # counts of 1, of 2 and of 3 and more have a discount each
WITHOUT_ESTIMATE = 0.5  # the discount where the counts of so small a text give none


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one length n, numbered; `keys[ngram]` = number of its first n−1 tokens · vocab + its last token.

    `discounted[ngram]` = c − D(c), the count with its discount taken off; `totals[context]` = Σ_w c(context w), and
    `freed[context]` = Σ_w D(c(context w)) / totals, the share that goes to the shorter context.
    """

    keys: Integers
    discounted: Floats
    totals: Floats
    freed: Floats


class KneserNey:
    """Interpolated Kneser–Ney smoothing with three discounts ("modified"): Chen and Goodman 1999, section 3, (25)-(26).

    p(w | h) = (c(hw) − D(c(hw))) / c(h) + freed(h) · p(w | h'), where h' is h without its oldest token; below a single
    token lies 1/vocab. c counts occurrences for the longest n-grams, and for shorter ones the distinct tokens that
    stand before them: "Francisco" is frequent, but after "San" alone.
    """

    def __init__(self, ids: npt.NDArray[Any], vocab: int, order: int = 5) -> None:
        """Count `ids[position]`. Raises `Error` for an order below 1, or a text shorter than it."""
        if order < 1 or len(ids) < order:
            raise Error(f"expected an order from 1 to the {len(ids):,} tokens of the text, got {order}")
        self.vocab = vocab
        self.levels = self._counted(ids.astype(np.int64), order)

    def probabilities(self, ids: npt.NDArray[Any]) -> Floats:
        """p(ids[i] | the tokens before, at most order−1) for each place of `ids[position]`."""
        tokens = ids.astype(np.int64)
        found = np.full(len(tokens), 1 / self.vocab)
        number = np.zeros(len(tokens), np.int64)  # of the n-gram that ends at each position; −1 where training has none
        context = number  # of the n-gram before it, here the empty one
        for level in self.levels:
            number = _looked_up(level.keys, context, tokens, self.vocab)
            known = np.flatnonzero(context >= 0)
            known = known[level.totals[context[known]] > 0]
            seen = number[known]
            count = np.where(seen >= 0, level.discounted[seen], 0.0)
            within = context[known]
            found[known] = count / level.totals[within] + level.freed[within] * found[known]
            context = np.concatenate(([-1], number[:-1]))
        return found

    def _counted(self, tokens: Integers, order: int) -> list[Level]:
        """The levels from single tokens to `order`; the counts of each but the last follow from the one above."""
        numbers, keys, firsts, counts = [np.zeros(len(tokens) + 1, np.int64)], [], [], []
        for length in range(1, order + 1):  # numbers[n][i]: of the n-gram that begins at i
            joined = numbers[-1][: len(tokens) - length + 1] * self.vocab + tokens[length - 1 :]
            key, first, number, count = np.unique(joined, return_index=True, return_inverse=True, return_counts=True)
            numbers.append(number)
            keys.append(key)
            firsts.append(first)
            counts.append(count)
        for length in range(1, order):  # an n-gram of the level above is one more token before what follows its first
            suffixes = numbers[length][firsts[length] + 1]
            counts[length - 1] = np.bincount(suffixes, minlength=len(keys[length - 1]))
        contexts = [1, *(len(key) for key in keys[:-1])]
        return [_level(*parts, self.vocab) for parts in zip(keys, counts, contexts, strict=True)]


def _looked_up(keys: Integers, context: Integers, tokens: Integers, vocab: int) -> Integers:
    """The number of the n-gram of each position, or −1."""
    wanted = np.where(context >= 0, context * vocab + tokens, -1)
    position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[position] == wanted, position, -1)


def _level(keys: Integers, counts: Integers, contexts: int, vocab: int) -> Level:
    taken = discounts(counts)[np.minimum(counts, DISTINGUISHED)]
    context = keys // vocab
    totals: Floats = np.bincount(context, counts, minlength=contexts).astype(np.float64)
    freed = np.bincount(context, taken, minlength=contexts) / np.maximum(totals, 1)
    return Level(keys, counts - taken, totals, freed)


def discounts(counts: Integers) -> Floats:
    """D(c) for counts c of 0, 1, 2, and 3 and more: D(c) = c − (c+1)·Y·n_{c+1}/n_c with Y = n₁ / (n₁ + 2n₂).

    n_c is how many n-grams come c times. Chen and Goodman 1999, equation (26).
    """
    n = np.bincount(np.minimum(counts, DISTINGUISHED + 2), minlength=DISTINGUISHED + 3).astype(np.float64)
    found = np.zeros(DISTINGUISHED + 1)
    for c in range(1, DISTINGUISHED + 1):
        estimate = c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[c + 1] / n[c] if n[1] and n[c] else 0.0
        found[c] = estimate if 0 < estimate < c else WITHOUT_ESTIMATE
    return found


def main(
    data: Annotated[str, typer.Option(help="A text file, a folder of texts, or a named text.")],
    tokenizer: Annotated[
        Literal["auto", "characters", "bytes", "bpe", "gpt2"], typer.Option(help="What the text is cut into.")
    ] = "auto",
    order: Annotated[int, typer.Option(help="Tokens of the longest n-grams.", min=1)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Score an n-gram model with interpolated Kneser–Ney smoothing on a text's validation split."""
    try:
        corpus = load_text(data)
        vocabulary = make_tokenizer(corpus, tokenizer)
        tokens = tokenized(corpus, vocabulary)
        model = KneserNey(tokens.train, vocabulary.size, order)
    except Error as failure:
        raise SystemExit(f"error: {failure}") from None
    losses = -np.log(model.probabilities(tokens.validation)[1:])
    scores = TextScores(float(losses.mean()), len(losses), tokens.bytes_per_token)
    result = {
        "data": corpus.name, "tokenizer": vocabulary.kind, "vocab": vocabulary.size, "order": order,
        "tokens": scores.tokens, "loss": scores.loss, "perplexity": scores.perplexity,
        "bits_per_byte": scores.bits_per_byte,
    }  # fmt: skip
    if as_json:
        print(json.dumps(result))
        return
    print(
        f"{order}-grams on {corpus.name} ({vocabulary.describe()}), validation: loss {scores.loss:.4f} nats for "
        f"each token, perplexity {scores.perplexity:.2f}, {scores.bits_per_byte:.3f} bits per byte "
        f"({scores.tokens:,} tokens)"
    )


if __name__ == "__main__":
    typer.run(main)
