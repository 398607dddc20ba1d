"""Labelled pictures for the digit recogniser: the embedded digits, MNIST, or a folder of one's own.

Pixels are bytes, 0 for background and 255 for the strongest ink, light on dark in every source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kqv.data.folder import read_folder
from kqv.data.idx import Bytes, Labels, read_idx, read_labelled
from kqv.data.registry import SOURCES
from kqv.data.sources import Progress, read
from kqv.data.split import by_hash
from kqv.errors import DataError

__all__ = ["DigitData", "Pictures", "load_digits", "read_idx"]

DIGITS = tuple("0123456789")
MNIST_TRAIN = 50_000  # of the 60,000 training pictures; the rest is the validation set


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with their classes: `pixels` [picture, row, column] are bytes, `labels` [picture] count the classes.

    Raises `DataError` if there are not as many labels as pictures, or the arrays have other dimensions.
    """

    pixels: Bytes
    labels: Labels

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.labels.ndim != 1 or len(self.pixels) != len(self.labels):
            raise DataError(
                "pixels [picture, row, column] and labels [picture] do not fit together:"
                f" they have the sizes {self.pixels.shape} and {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | list[int] | Labels) -> Pictures:
        """The chosen pictures with their labels."""
        return Pictures(self.pixels[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class DigitData:
    """A set of labelled pictures in three splits; a label is a position in `classes`."""

    name: str
    classes: tuple[str, ...]
    train: Pictures
    validation: Pictures
    test: Pictures

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of every picture."""
        rows, columns = self.train.pixels.shape[1:]
        return rows, columns

    def describe(self) -> str:
        """One line: name, shape, classes and how many pictures each split has."""
        rows, columns = self.shape
        names = " ".join(self.classes[:10]) + (" …" if len(self.classes) > 10 else "")
        return (
            f"{self.name}: pictures of {rows}×{columns} pixels in {len(self.classes)} classes ({names});"
            f" {len(self.train):,} to train, {len(self.validation):,} to validate, {len(self.test):,} to test"
        )


def load_digits(
    data: str | Path | None = None, shape: tuple[int, int] = (28, 28), progress: Progress | None = None
) -> DigitData:
    """The pictures called `data`: None or "digits8x8", "mnist", or the path of a folder of pictures by class.

    A folder's pictures are brought to `shape` (rows, columns); the named sets keep theirs. MNIST is downloaded if it is
    not here, with a bar from `progress`. A folder called like a set is meant by "./mnist".

    Raises `DataError`: unknown name, failed download, damaged file, and whatever is wrong with a folder.
    """
    name = "digits8x8" if data is None else os.fspath(data).strip()
    known: dict[str, Callable[[], DigitData]] = {"digits8x8": _digits8x8, "mnist": lambda: _mnist(progress)}
    if not isinstance(data, Path) and name.lower() in known:
        return known[name.lower()]()
    folder = Path(name).expanduser()
    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or not allowed
        classes, splits = read_folder(folder, shape)
        return DigitData(
            folder.resolve().name, classes, **{split: Pictures(*arrays) for split, arrays in splits.items()}
        )
    raise DataError(_unknown(name, folder, known))


def _unknown(name: str, folder: Path, known: Iterable[str]) -> str:
    there_are = f"give {', '.join(known)} or the path of a folder that has a folder of pictures for each class"
    if os.path.lexists(folder):
        return f"{name} is a file; {there_are}"
    if name.lower() in SOURCES:
        return f"{name} has no labelled pictures; {there_are}"
    return f"no pictures are called {name!r}, and no folder is there; {there_are}"


def _digits8x8() -> DigitData:
    """scikit-learn's embedded digits, their grey values 0 to 16 scaled to 0 to 255 and rounded.

    The split: of each class, ordered by the sha256 of the picture's number in scikit-learn's order ("0", "1", …), the
    first 120 train, the next 30 validate, the rest (24 to 33) tests: 1,200, 300 and 297 pictures. Within a split they
    keep scikit-learn's order. The same writers are in all three splits: the set does not tell them apart.
    """
    from sklearn.datasets import load_digits as load_embedded  # type: ignore[import-untyped]

    embedded = load_embedded()
    sixteenths = embedded.images.astype(np.int64)
    pictures = Pictures(((sixteenths * 255 + 8) // 16).astype(np.uint8), embedded.target.astype(np.int64))
    chosen: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    order = np.array(by_hash(str(number) for number in range(len(pictures))))
    for label in range(len(DIGITS)):
        of_class = order[pictures.labels[order] == label].tolist()
        chosen["train"] += of_class[:120]
        chosen["validation"] += of_class[120:150]
        chosen["test"] += of_class[150:]
    splits = {split: pictures[sorted(numbers)] for split, numbers in chosen.items()}
    return DigitData("digits8x8", DIGITS, **splits)


def _mnist(progress: Progress | None) -> DigitData:
    """MNIST: the first 50,000 training pictures train, the last 10,000 validate, as in the textbook network."""
    train, test = (_mnist_part(part, progress) for part in ("train", "t10k"))
    return DigitData("mnist", DIGITS, train[:MNIST_TRAIN], train[MNIST_TRAIN:], test)


def _mnist_part(part: str, progress: Progress | None) -> Pictures:
    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    pictures, labels = (read("mnist", name, progress) for name in names)
    return Pictures(*read_labelled(pictures, labels, names, classes=len(DIGITS)))
