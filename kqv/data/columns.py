"""Digits as the textbook's code has them: lists of pairs of columns (Nielsen, `mnist_loader.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kqv.data.digits import Pictures, load_digits

Column = npt.NDArray[Any]
Training = list[tuple[Column, Column]]
Test = list[tuple[Column, int]]


def load_data_wrapper(name: str = "mnist") -> tuple[Training, Test, Test]:
    """(training_data, validation_data, test_data) of a set of digits, by name or folder.

    Pairs (x, y): x is a column `[in, 1]` of numbers from 0 to 1 in float32; y in training a column `[class, 1]`, 1 for
    the right class, else the class itself. Raises `DataError` as `kqv.data.digits.load_digits`.
    """
    data = load_digits(name)
    wanted = np.eye(len(data.classes))
    training = [(x, wanted[:, [label]]) for x, label in _pairs(data.train)]
    return training, _pairs(data.validation), _pairs(data.test)


def _pairs(pictures: Pictures) -> Test:
    columns = (pictures.pixels.reshape(len(pictures), -1, 1) / 255).astype(np.float32)
    return [(x, int(label)) for x, label in zip(columns, pictures.labels, strict=True)]
