"""What the page sends to be recognised: a drawing as grey values, the content of a picture file, or a test digit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kqv.data.labelled import DigitData
from kqv.data.pictures import Grey, Step, read_picture, steps_to_shape
from kqv.errors import DataError

LARGEST = 512  # rows and columns of a drawing: more than any canvas here has
MOST_BYTES = 16_000_000  # of a picture file


@dataclass(frozen=True, eq=False)
class Prepared:
    """The pictures on the way to the model's input, the last of which is the input; and the right class's position,
    where it is known."""

    steps: tuple[Step, ...]
    label: int | None = None
    number: int | None = None

    @property
    def picture(self) -> Grey:
        """What the model is shown: bytes [row, column]."""
        return self.steps[-1].picture


def drawing_of(content: bytes, rows: int, columns: int) -> Grey:
    """A drawing's grey values [row, column] as bytes, from float32 numbers row by row: 0 is black, 1 white.

    Raises `DataError` for another number of them, for NaN, and for numbers outside 0 to 1.
    """
    if not (1 <= rows <= LARGEST and 1 <= columns <= LARGEST):
        raise DataError(
            f"a drawing has 1 to {LARGEST} rows and columns; got {rows}×{columns}: draw on a smaller canvas"
        )
    if len(content) != 4 * rows * columns:
        raise DataError(
            f"{rows}×{columns} grey values are {4 * rows * columns:,} bytes of float32; got {len(content):,} bytes"
        )
    values: npt.NDArray[np.float32] = np.frombuffer(content, dtype="<f4").reshape(rows, columns)
    wrong = int(np.count_nonzero(~np.isfinite(values)))
    if wrong:
        raise DataError(f"{wrong:,} grey values of the drawing are NaN or infinite; expected numbers from 0 to 1")
    if float(values.min()) < 0 or float(values.max()) > 1:
        raise DataError(
            f"grey values are from 0 (black) to 1 (white); got {float(values.min()):.4g} to {float(values.max()):.4g}"
        )
    return np.round(values * 255).astype(np.uint8)


def prepare_drawing(content: bytes, rows: int, columns: int, shape: tuple[int, int]) -> Prepared:
    """A drawing brought into the model's shape, as `kqv classify` does it with a file. Raises `DataError`."""
    return Prepared(steps_to_shape(drawing_of(content, rows, columns), shape, name="the drawing"))


def prepare_file(content: bytes, shape: tuple[int, int]) -> Prepared:
    """A picture file's content, brought into the model's shape. Raises `DataError`."""
    if len(content) > MOST_BYTES:
        raise DataError(f"the picture has {len(content):,} bytes, more than {MOST_BYTES:,}; give a smaller one")
    return Prepared(steps_to_shape(read_picture(content, "the picture"), shape, name="the picture"))


def example_picture(data: DigitData, number: int) -> Prepared:
    """A picture of the test set, which has the input's shape already; `DataError` for a number that there is not."""
    count = len(data.test)
    if not 0 <= number < count:
        raise DataError(f"there is no test picture {number}; {data.name} has 0 to {count - 1}")
    why = f"test picture {number} of {data.name}: the model was not trained on it"
    return Prepared((Step("test picture", data.test.pixels[number], why),), int(data.test.labels[number]), number)


@lru_cache(maxsize=2)
def pictures_named(name: str) -> DigitData:
    """A run's pictures, kept: MNIST takes a second to read."""
    from kqv.data.digits import load_digits

    return load_digits(name)
