"""Digits in the textbook's form."""

from __future__ import annotations

import random

import numpy as np
import torch

import kqv
from kqv.data.digits import load_digits


def test_pairs_are_the_pictures_as_columns() -> None:
    training, validation, test = kqv.load_data_wrapper("digits8x8")
    data = load_digits("digits8x8")
    assert [len(part) for part in (training, validation, test)] == [
        len(part) for part in (data.train, data.validation, data.test)
    ]
    x, y = training[5]
    assert (x.shape, y.shape, x.dtype) == ((64, 1), (10, 1), np.dtype(np.float32))
    np.testing.assert_array_equal(np.round(x[:, 0] * 255).astype(np.uint8), data.train.pixels[5].reshape(-1))
    np.testing.assert_array_equal(y[:, 0], np.eye(10)[data.train.labels[5]])
    assert [label for _, label in test] == data.test.labels.tolist()


def test_the_books_first_session_learns() -> None:
    training, validation, _ = kqv.load_data_wrapper("digits8x8")
    torch.manual_seed(0)
    random.seed(0)
    net = kqv.Network([64, 30, 10])
    net.SGD(training, 10, 10, 3.0)
    assert net.evaluate(validation) > 0.7 * len(validation)  # saturated neurons: more takes patience
