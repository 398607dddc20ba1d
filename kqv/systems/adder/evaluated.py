"""How many sums an adder gets right that it was not trained on."""

from __future__ import annotations

import numpy as np

from kqv.data.sums import Pairs, draw, held_out
from kqv.errors import Error
from kqv.evaluation.sums import SumScores, score_sums
from kqv.systems.adder.trained import adder_recipe_of, load_adder
from kqv.systems.source import ModelSource
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.training.devices import choose_device

PAIRS = 10_000


def evaluate(source: ModelSource, asked: EvaluationAsked, watcher: Watcher) -> Evaluated:
    """Score a run on 10,000 pairs of a split (all, where there are not so many), always the same ones.

    In no split but `train` is a pair that training may have drawn. Raises `Error` for other data.
    """
    if asked.data is not None:
        raise Error("an adder makes its own sums; leave out --data")
    run = source.require_run("only runs of kqv train adder add")
    digits, chosen = adder_recipe_of(run).data.digits, choose_device(asked.device)
    model = load_adder(run, asked.best).model.to(chosen)
    scores = score_sums(model, _pairs(digits, asked.split), chosen)
    return Evaluated(
        {
            "split": asked.split, "digits": digits, "pairs": scores.pairs, "exact_match": scores.exact_match,
            "loss": scores.loss,
            "by_carry": {length: {"right": right, "pairs": pairs}
                         for length, (right, pairs) in scores.by_chain().items()},
        },
        in_words(f"{source.name}, {asked.split} pairs of numbers of up to {digits} digits", scores),
    )  # fmt: skip


def _pairs(digits: int, split: str) -> Pairs:
    if split == "train":
        return draw(PAIRS, digits, "train", np.random.default_rng(0), 0.0, 0.0)
    return held_out(PAIRS, digits, "validation" if split == "validation" else "test")


def in_words(title: str, scores: SumScores) -> str:
    """How many sums are right, and of which the wrong ones are."""
    lines = [
        f"{title}: {100 * scores.exact_match:.2f} % right to the last digit ({scores.exact:,} of {scores.pairs:,}), "
        f"loss {scores.loss:.4f}",
        "  longest carry, in digits:  " + "  ".join(f"{length:>6}" for length in scores.by_chain()),
        "  pairs:                     " + "  ".join(f"{pairs:>6,}" for _, pairs in scores.by_chain().values()),
        "  wrong:                     " + "  ".join(f"{n - right:>6,}" for right, n in scores.by_chain().values()),
    ]
    return "\n".join(lines)
