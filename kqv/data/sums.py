"""Sums of two numbers as data: pairs of numbers, which of them are held out, and how a sum is written as tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kqv.errors import DataError

Digits = npt.NDArray[np.int64]
"""Digits of numbers `[pair, digit]`, the ones first."""

Split = Literal["train", "validation", "test"]

SIGNS = "0123456789+="
"""All tokens, by id: a digit's id is the digit."""

MOST_DIGITS = 18  # a number is then still a whole number of 64 bits
OF_SPLIT: dict[Split, tuple[int, ...]] = {"test": (0,), "validation": (1,), "train": (2, 3, 4, 5, 6, 7, 8, 9)}
"""Pairs by the last digit of their hash: a tenth is for the test, another one for validation."""

TRIES = 1000


@dataclass(frozen=True)
class Pairs:
    """Pairs of numbers by their digits, `first[pair, digit]` and `second[pair, digit]`, the ones first."""

    first: Digits
    second: Digits

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: slice | npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Pairs:
        return Pairs(self.first[chosen], self.second[chosen])

    @property
    def digits(self) -> int:
        """How many digits each number is written with."""
        return int(self.first.shape[1])

    def sums(self) -> tuple[Digits, Digits]:
        """The digits of the sums, one more than the numbers have, and the carry into each: `[pair, digit + 1]`."""
        found = np.zeros((len(self), self.digits + 1), dtype=np.int64)
        carries = np.zeros_like(found)
        for digit in range(self.digits):
            column = self.first[:, digit] + self.second[:, digit] + carries[:, digit]
            found[:, digit], carries[:, digit + 1] = column % 10, column // 10
        found[:, self.digits] = carries[:, self.digits]
        return found, carries

    def tokens(self) -> Digits:
        """Each sum as tokens `[pair, position]`: `21+43=640` for 12 + 34 = 46.

        All numbers are written with the ones first and zeros up to the full length. So each digit of the sum is written
        when the carry into it is decided by what was written before: carrying goes from left to right, as the model
        does.
        """
        rows = len(self)
        plus, equals = (np.full((rows, 1), SIGNS.index(sign)) for sign in "+=")
        return np.hstack([self.first, plus, self.second, equals, self.sums()[0]])

    def chains(self) -> npt.NDArray[np.int64]:
        """For each pair, through how many digits in a row its longest carry runs; 0 where nothing is carried."""
        carries = self.sums()[1]
        longest = running = np.zeros(len(self), dtype=np.int64)
        for digit in range(carries.shape[1]):
            running = (running + 1) * carries[:, digit]
            longest = np.maximum(longest, running)
        return longest


def length_of(digits: int) -> int:
    """How many tokens a whole sum has: two numbers, their sum with a digit more, and two signs."""
    return 3 * digits + 3


def answer_at(digits: int) -> int:
    """The position of the sum's first digit; the token before it is `=`."""
    return 2 * digits + 2


def pair_of(first: int, second: int, digits: int) -> Pairs:
    """One pair. Raises `DataError` for numbers below 0 or of more digits."""
    for number in (first, second):
        if not 0 <= number < 10**digits:
            raise DataError(f"this model adds numbers of up to {digits} digits, 0 to {10**digits - 1}; got {number}")
    return pairs_of(np.array([first]), np.array([second]), digits)


def pairs_of(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], digits: int) -> Pairs:
    """Pairs of numbers `[pair]` by their digits."""
    powers = 10 ** np.arange(digits, dtype=np.int64)
    return Pairs(first[:, None] // powers % 10, second[:, None] // powers % 10)


def numbers_of(digits: Digits) -> npt.NDArray[np.int64]:
    """The numbers `[pair]` of their digits `[pair, digit]`."""
    found: npt.NDArray[np.int64] = digits @ 10 ** np.arange(digits.shape[1], dtype=np.int64)
    return found


def split_of(pairs: Pairs) -> npt.NDArray[np.int64]:
    """A number from 0 to 9 for each pair, by which it belongs to a split (`OF_SPLIT`); a + b and b + a have the same.

    A hash of the two numbers (the finaliser of SplitMix64: Steele, Lea, Flood 2014), so that no list of pairs is needed
    to tell whether one was trained on, however many there are.
    """
    first, second = numbers_of(pairs.first), numbers_of(pairs.second)
    hashed = _mixed(np.minimum(first, second).astype(np.uint64))
    hashed = _mixed(hashed ^ np.maximum(first, second).astype(np.uint64))
    found: npt.NDArray[np.int64] = (hashed % np.uint64(10)).astype(np.int64)
    return found


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)  # arithmetic modulo 2^64
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def draw(count: int, digits: int, split: Split, chance: np.random.Generator, short: float, nines: float) -> Pairs:
    """`count` pairs of a split.

    All digits are equally likely, but: of a part `short` of the pairs each number has only so many digits that every
    length is equally likely; and of a part `nines` half of the columns add up to 9, where a carry is passed on, since
    long carries are rare: by chance one column in ten does. Raises `DataError` where there are no such pairs.
    """
    found: list[Pairs] = []
    missing = count
    for _ in range(TRIES):
        drawn = _drawn(2 * missing, digits, chance, short, nines)
        found.append(drawn[np.isin(split_of(drawn), OF_SPLIT[split])][:missing])
        missing -= len(found[-1])
        if not missing:
            return Pairs(np.vstack([part.first for part in found]), np.vstack([part.second for part in found]))
    raise DataError(f"there are too few pairs of numbers of {digits} digits for the {split} set")


def _drawn(count: int, digits: int, chance: np.random.Generator, short: float, nines: float) -> Pairs:
    first, second = (chance.integers(0, 10, (count, digits)) for _ in range(2))
    lengths = chance.integers(1, digits + 1, (2, count, 1))
    beyond = (np.arange(digits) >= lengths) & (chance.random((count, 1)) < short)
    first, second = np.where(beyond[0], 0, first), np.where(beyond[1], 0, second)
    passing = (chance.random((count, 1)) < nines) & (chance.random((count, digits)) < 0.5)
    return Pairs(first, np.where(passing, 9 - first, second))


def held_out(count: int, digits: int, split: Split, seed: int = 0) -> Pairs:
    """`count` distinct pairs of a split, all digits equally likely; all there are where these are not more.

    Which ones depends on `seed` alone. Raises `DataError` where there is none.
    """
    if 10 ** (2 * digits) <= 10 * count:
        chosen = _all_of(digits, split)
    else:
        drawn = list(_distinct(count, digits, split, np.random.default_rng(seed)))
        chosen = Pairs(np.vstack([one.first for one in drawn]), np.vstack([one.second for one in drawn]))
    if not len(chosen):
        raise DataError(f"there is no pair of numbers of {digits} digits for the {split} set")
    return chosen[:count]


def _all_of(digits: int, split: Split) -> Pairs:
    numbers = np.arange(10**digits)
    every = pairs_of(np.repeat(numbers, len(numbers)), np.tile(numbers, len(numbers)), digits)
    return every[np.isin(split_of(every), OF_SPLIT[split])]


def _distinct(count: int, digits: int, split: Split, chance: np.random.Generator) -> Iterator[Pairs]:
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        drawn = draw(count, digits, split, chance, 0.0, 0.0)
        numbers = zip(numbers_of(drawn.first).tolist(), numbers_of(drawn.second).tolist(), strict=True)
        for row, pair in enumerate(numbers):
            if pair not in seen and len(seen) < count:
                seen.add(pair)
                yield drawn[row : row + 1]
