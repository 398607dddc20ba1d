"""The n-gram floor: probabilities against the definition by loops, and that they sum to 1."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.ngram import KneserNey, discounts  # noqa: E402
from kqv.errors import Error  # noqa: E402

Ids = npt.NDArray[np.uint16]
Gram = tuple[int, ...]


def text(length: int, vocab: int = 6, seed: int = 1) -> Ids:
    """Tokens that often follow each other, of which the last never comes."""
    generator = np.random.default_rng(seed)
    jumps = generator.integers(0, vocab - 1, length)
    found = [0]
    for jump in jumps[1:]:
        found.append((found[-1] + 1) % (vocab - 1) if generator.random() < 0.6 else int(jump))
    return np.array(found, np.uint16)


def counted(ids: list[int], order: int) -> list[Counter[Gram]]:
    """c of each n-gram by its length from 1: of the longest how often, of the others after how many tokens."""
    grams = [tuple(ids[start : start + order]) for start in range(len(ids) - order + 1)]
    counts = [Counter(grams)]
    for length in range(order - 1, 0, -1):
        longer = {tuple(ids[start : start + length + 1]) for start in range(len(ids) - length)}
        counts.insert(0, Counter(gram[1:] for gram in longer))
    return counts


def reference(counts: list[Counter[Gram]], history: Gram, token: int, vocab: int) -> float:
    """Chen and Goodman's recursion as it stands, from the shortest context to the longest."""
    share = 1 / vocab
    for length, grams in enumerate(counts, start=1):
        if len(history) < length - 1:
            break
        context = history[len(history) - length + 1 :]
        following = {gram[-1]: count for gram, count in grams.items() if gram[:-1] == context}
        total = sum(following.values())
        if total:
            discount = discounts(np.array(list(grams.values())))
            freed = sum(discount[min(count, 3)] for count in following.values()) / total
            own = following.get(token, 0)
            share = (own - discount[min(own, 3)]) / total + freed * share
    return share


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_definition(order: int) -> None:
    train, other = text(300), text(60, seed=2)
    other[20] = 5  # which training never saw
    counts = counted(train.tolist(), order)
    found = KneserNey(train, 6, order).probabilities(other)
    for position, share in enumerate(found):
        history = tuple(other[max(0, position - order + 1) : position].tolist())
        assert share == pytest.approx(reference(counts, history, int(other[position]), 6), rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4, 5])
@pytest.mark.parametrize("length", [5, 40, 2000])
def test_the_probabilities_of_all_next_tokens_sum_to_1(order: int, length: int) -> None:
    model, others = KneserNey(text(length), 6, order), text(30, seed=3)
    others[10] = 5
    for position in range(len(others)):
        beginnings = [np.append(others[:position], np.uint16(token)) for token in range(6)]
        shares = [model.probabilities(beginning)[-1] for beginning in beginnings]
        assert min(shares) > 0
        assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_discounts_are_those_of_the_paper() -> None:
    counts = np.repeat([1, 2, 3, 4, 7], [50, 20, 10, 6, 9])
    y = 50 / (50 + 2 * 20)
    assert discounts(counts) == pytest.approx([0, 1 - 2 * y * 20 / 50, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10])


@pytest.mark.parametrize("order", [0, 11])
def test_an_order_that_cannot_be(order: int) -> None:
    with pytest.raises(Error, match=f"expected an order from 1 to the 10 tokens of the text, got {order}"):
        KneserNey(text(10), 6, order)


def test_the_command_scores_the_whole_validation_text(tmp_path: Path) -> None:
    content = "".join(f"{number} mal {number} ist {number * number}.\n" for number in range(300))
    (tmp_path / "text.txt").write_text(content, encoding="utf-8")
    words = [sys.executable, str(ROOT / "benchmarks" / "ngram.py"), "--data", str(tmp_path / "text.txt"), "--json"]
    said = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert said["tokens"] == len(content) - int(0.9 * len(content)) - 1
    assert said["perplexity"] == pytest.approx(math.exp(said["loss"]))
    assert said["bits_per_byte"] == pytest.approx(said["loss"] / math.log(2))
    assert said["loss"] < math.log(said["vocab"])
