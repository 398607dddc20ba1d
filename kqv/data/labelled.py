"""Labelled pictures: pixels with their classes, in three splits."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.data.idx import Bytes, Labels
from kqv.errors import DataError

DIGITS = tuple("0123456789")


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
