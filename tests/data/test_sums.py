"""Sums as data: how they are written, which pairs are held out, and how often something is carried."""

from __future__ import annotations

import numpy as np
import pytest

from kqv.data.sums import SIGNS, Pairs, answer_at, draw, held_out, length_of, numbers_of, pair_of, pairs_of, split_of
from kqv.errors import DataError


def written(pairs: Pairs) -> list[str]:
    return ["".join(SIGNS[token] for token in row) for row in pairs.tokens()]


@pytest.mark.parametrize(
    ("first", "second", "digits", "text"),
    [(12, 34, 2, "21+43=640"), (99, 1, 2, "99+10=001"), (0, 0, 1, "0+0=00"), (5, 7, 3, "500+700=2100")],
)
def test_a_sum_is_written_with_the_ones_first(first: int, second: int, digits: int, text: str) -> None:
    pair = pair_of(first, second, digits)
    assert written(pair) == [text]
    assert len(text) == length_of(digits)
    assert text[answer_at(digits) - 1] == "="


def test_sums_and_carries_are_those_of_arithmetic() -> None:
    chance = np.random.default_rng(1)
    first, second = chance.integers(0, 10**10, (2, 500))
    pairs = pairs_of(first, second, 10)
    sums, carries = pairs.sums()
    assert np.array_equal(numbers_of(sums), first + second)
    for digit in range(11):
        power = 10**digit
        assert np.array_equal(carries[:, digit], (first % power + second % power) // power)


def test_a_chain_is_as_long_as_its_carry_runs() -> None:
    pairs = pairs_of(np.array([12, 27, 99, 999, 909]), np.array([34, 13, 1, 1, 101]), 3)
    assert pairs.chains().tolist() == [0, 1, 2, 3, 1]


def test_no_pair_is_in_two_splits_and_order_does_not_matter() -> None:
    numbers = np.arange(100)
    every = pairs_of(np.repeat(numbers, 100), np.tile(numbers, 100), 2)
    split = split_of(every).reshape(100, 100)
    assert np.array_equal(split, split.T)
    shares = np.bincount(split.reshape(-1), minlength=10) / split.size
    assert shares.min() > 0.08
    assert shares.max() < 0.12
    drawn = draw(5000, 2, "train", np.random.default_rng(2), 0.5, 0.5)
    trained = set(written(drawn)) | set(written(Pairs(drawn.second, drawn.first)))
    for name in ("validation", "test"):
        assert not trained & set(written(held_out(10_000, 2, name)))
    assert not set(written(held_out(10_000, 2, "test"))) & set(written(held_out(10_000, 2, "validation")))


def test_held_out_pairs_are_distinct_and_always_the_same() -> None:
    found = held_out(300, 10, "test")
    assert len(set(written(found))) == 300
    assert written(found) == written(held_out(300, 10, "test"))
    assert written(found) != written(held_out(300, 10, "test", seed=1))
    assert set(split_of(found)) == {0}
    few = held_out(10_000, 2, "test")
    assert 500 < len(few) < 1500, "of two digits all that there are"


def test_carries_are_as_frequent_as_asked() -> None:
    def passing(nines: float) -> float:
        pairs = draw(4000, 6, "train", np.random.default_rng(3), 0.0, nines)
        return float((pairs.first + pairs.second == 9).mean())

    assert passing(0.0) == pytest.approx(0.1, abs=0.01)
    assert passing(1.0) == pytest.approx(0.55, abs=0.01)


def test_short_numbers_have_every_length() -> None:
    pairs = draw(4000, 4, "train", np.random.default_rng(4), 1.0, 0.0)
    lengths = np.char.str_len(numbers_of(pairs.first).astype(str))
    assert np.bincount(lengths)[1:].min() > 800


@pytest.mark.parametrize(("first", "second"), [(100, 1), (1, 100), (-1, 1)])
def test_numbers_that_are_too_long_are_refused(first: int, second: int) -> None:
    with pytest.raises(DataError, match=r"adds numbers of up to 2 digits, 0 to 99; got (100|-1)"):
        pair_of(first, second, 2)


def test_a_split_without_a_pair_is_an_error() -> None:
    empty = [name for name in ("test", "validation") if 0 in np.bincount(split_of(held_out(99, 1, name)), minlength=2)]
    assert empty  # of one digit each split has some; what is asked for beyond them is what there is
    assert len(held_out(1000, 1, "test")) < 30
