"""MNIST: handwritten digits of 28×28 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kqv.data.sets.table import File, Read, Source, add

if TYPE_CHECKING:
    from kqv.data.labelled import DigitData, Pictures

HOMES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TRAIN = 50_000  # of the 60,000 training pictures; the rest is the validation set


def _file(name: str, size: int, sha256: str) -> File:
    return File(name, tuple(f"{home}{name}.gz" for home in HOMES), sha256, size, compressed=True)


SOURCE = Source(
    name="mnist",
    title="70,000 handwritten digits, 28×28",
    kind="pictures",
    licence="CC BY-SA 3.0",
    homepage="https://yann.lecun.com/exdb/mnist/",
    folder="mnist",
    files=(
        _file(
            "train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        _file("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _file("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _file("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
)


def pictures(read: Read) -> DigitData:
    """The first 50,000 training pictures train, the last 10,000 validate, as in the textbook network."""
    from kqv.data.labelled import DIGITS, DigitData

    train, test = (_part(part, read) for part in ("train", "t10k"))
    return DigitData("mnist", DIGITS, train[:TRAIN], train[TRAIN:], test)


def _part(part: str, read: Read) -> Pictures:
    from kqv.data.idx import read_labelled
    from kqv.data.labelled import DIGITS, Pictures

    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    content, labels = (read(name) for name in names)
    return Pictures(*read_labelled(content, labels, names, classes=len(DIGITS)))


add(SOURCE, pictures=pictures)
