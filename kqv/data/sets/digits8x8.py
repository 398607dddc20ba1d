"""scikit-learn's handwritten digits of 8×8 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kqv.data.sets.table import Read, Source, add

if TYPE_CHECKING:
    from kqv.data.labelled import DigitData

SOURCE = Source(
    name="digits8x8",
    title="1,797 handwritten digits, 8×8",
    kind="pictures",
    licence="CC BY 4.0",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    embedded=True,
    note="ships with scikit-learn",
)


def pictures(_: Read) -> DigitData:
    """scikit-learn's embedded digits, their grey values 0 to 16 scaled to 0 to 255 and rounded.

    The split: of each class, ordered by the sha256 of the picture's number in scikit-learn's order ("0", "1", …), the
    first 120 train, the next 30 validate, the rest (24 to 33) tests: 1,200, 300 and 297 pictures. Within a split they
    keep scikit-learn's order. The same writers are in all three splits: the set does not tell them apart.
    """
    import numpy as np
    from sklearn.datasets import load_digits as load_embedded  # type: ignore[import-untyped]

    from kqv.data.labelled import DIGITS, DigitData, Pictures
    from kqv.data.split import by_hash

    embedded = load_embedded()
    sixteenths = embedded.images.astype(np.int64)
    every = Pictures(((sixteenths * 255 + 8) // 16).astype(np.uint8), embedded.target.astype(np.int64))
    chosen: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    order = np.array(by_hash(str(number) for number in range(len(every))))
    for label in range(len(DIGITS)):
        of_class = order[every.labels[order] == label].tolist()
        chosen["train"] += of_class[:120]
        chosen["validation"] += of_class[120:150]
        chosen["test"] += of_class[150:]
    splits = {split: every[sorted(numbers)] for split, numbers in chosen.items()}
    return DigitData("digits8x8", DIGITS, **splits)


add(SOURCE, pictures=pictures)
