"""Inputs and results as JSON and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kqv.workshop.encoding import LARGEST, Foreign, Oversized, decode, encode
from kqv.workshop.exercise import Provided


def through(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)))
def test_arrays_come_back_bit_by_bit_as_json_without_nan(array: Any) -> None:
    back = through(array)
    assert back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=True)
    assert np.array_equal(np.signbit(back), np.signbit(array) & ~np.isnan(array) | np.signbit(back) & np.isnan(array))


NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**62), 2**62)


@given(st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3)))
def test_numbers_and_lists_come_back(value: Any) -> None:
    assert through(value) == value
    assert through((value, [value])) == (value, [value])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.uint8])
def test_types_of_arrays_come_back(dtype: type) -> None:
    assert through(np.ones((2, 1), dtype=dtype)).dtype == dtype


def test_whole_numbers_without_end_become_infinite() -> None:
    assert through(10**5000) == float("inf")


def test_what_is_no_result_is_described() -> None:
    assert through(None) == Foreign("NoneType", "None")
    assert through({"a": 1}) == Foreign("dict", "{'a': 1}")
    assert through(np.zeros(LARGEST + 1)) == Oversized((LARGEST + 1,))
    assert through(Provided("cubic")) == Provided("cubic")
