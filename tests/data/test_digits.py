"""The digit recogniser's data: the embedded digits, MNIST, IDX files and folders of pictures."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kqv.data.digits import DigitData, Pictures, load_digits, read_idx
from kqv.data.folder import list_folder
from kqv.data.idx import read_labelled
from kqv.data.sources import SOURCES, find
from kqv.data.split import by_hash
from kqv.errors import DataError

SPLITS = ("train", "validation", "test")


def split_of(data: DigitData, name: str) -> Pictures:
    return {"train": data.train, "validation": data.validation, "test": data.test}[name]


# The embedded digits


def test_embedded_digits_are_the_default() -> None:
    data = load_digits()
    assert (data.name, data.shape, data.classes) == ("digits8x8", (8, 8), tuple("0123456789"))
    assert [len(split_of(data, split)) for split in SPLITS] == [1200, 300, 297]
    assert np.bincount(data.train.labels).tolist() == [120] * 10
    assert np.bincount(data.validation.labels).tolist() == [30] * 10
    assert np.bincount(data.test.labels).min() >= 24
    for split in SPLITS:
        pictures = split_of(data, split)
        assert pictures.pixels.dtype == np.uint8
        assert pictures.labels.dtype == np.int64
    assert data.describe() == (
        "digits8x8: pictures of 8×8 pixels in 10 classes (0 1 2 3 4 5 6 7 8 9);"
        " 1,200 to train, 300 to validate, 297 to test"
    )


def test_embedded_digits_are_each_in_exactly_one_split() -> None:
    from sklearn.datasets import load_digits as load_embedded  # type: ignore[import-untyped]

    embedded = load_embedded()
    data = load_digits("digits8x8")
    # 17 / 255 of a grey value is less than the 16 steps are apart, so scaling back is exact.
    back = [np.round(split_of(data, split).pixels * (16 / 255)) for split in SPLITS]
    ours = sorted(
        (int(label), picture.astype(np.uint8).tobytes())
        for pixels, split in zip(back, SPLITS, strict=True)
        for picture, label in zip(pixels, split_of(data, split).labels, strict=True)
    )
    theirs = sorted(
        (int(label), picture.astype(np.uint8).tobytes())
        for picture, label in zip(embedded.images, embedded.target, strict=True)
    )
    assert ours == theirs


def test_embedded_digits_split_by_the_documented_rule() -> None:
    from sklearn.datasets import load_digits as load_embedded

    target = load_embedded().target.tolist()
    sevens = [number for number, label in enumerate(target) if label == 7]
    sevens.sort(key=lambda number: hashlib.sha256(str(number).encode()).hexdigest())
    data = load_digits()
    images = load_embedded().images
    for split, numbers in (("train", sevens[:120]), ("validation", sevens[120:150]), ("test", sevens[150:])):
        pictures = split_of(data, split)
        expected = (images[sorted(numbers)] * 255 / 16 + 0.5).astype(np.uint8)
        assert np.array_equal(pictures.pixels[pictures.labels == 7], expected)


def test_embedded_digits_never_change() -> None:
    # Scores in the docs rest on this split: it has to be the same with every version on every machine.
    data = load_digits()
    checksums = [
        hashlib.sha256(split_of(data, split).pixels.tobytes() + split_of(data, split).labels.tobytes()).hexdigest()[:16]
        for split in SPLITS
    ]
    assert checksums == ["8771c0e42e979fb5", "bf23b8be5a672fe0", "d0f5785092add001"]


def test_hash_order_knows_no_normal_form_and_no_position() -> None:
    names = ["b.png", *(f"caf\u00e9{number}.png" for number in range(9))]
    order = by_hash(names)
    assert order == sorted(range(10), key=lambda position: hashlib.sha256(names[position].encode()).hexdigest())
    assert by_hash([name.replace("\u00e9", "e\u0301") for name in names]) == order
    backwards = by_hash(names[::-1])
    assert [names[::-1][position] for position in backwards] == [names[position] for position in order]


# MNIST


@pytest.fixture
def mnist() -> DigitData:
    # Looked for first: loading it would download it.
    if not all(find(SOURCES["mnist"], file) for file in SOURCES["mnist"].files):
        pytest.skip("MNIST is not here: set KQV_DATA to a folder that has it")
    return load_digits("MNIST")


def test_mnist(mnist: DigitData) -> None:
    assert (mnist.name, mnist.shape, mnist.classes) == ("mnist", (28, 28), tuple("0123456789"))
    assert [len(split_of(mnist, split)) for split in SPLITS] == [50_000, 10_000, 10_000]
    # The first labels of each file, and the counts of the test set, as published.
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.validation.labels[-1] == 8
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The published mean and standard deviation of the 60,000 training pictures.
    pixels = np.concatenate([mnist.train.pixels, mnist.validation.pixels]) / np.float32(255)
    assert round(float(pixels.mean()), 4) == 0.1307
    assert round(float(pixels.std()), 4) == 0.3081


def test_a_damaged_mnist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist").mkdir()
    for file in SOURCES["mnist"].files:
        (tmp_path / "mnist" / file.name).write_bytes(bytes(file.size))
    monkeypatch.setenv("KQV_DATA", str(tmp_path))
    with pytest.raises(DataError, match="train-images-idx3-ubyte is truncated or altered: expected 47,040,016 bytes"):
        load_digits("mnist")


# IDX files


def idx(*sizes: int, values: bytes | None = None) -> bytes:
    count = int(np.prod(sizes))
    return struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + (bytes(count) if values is None else values)


def test_idx_values_are_in_row_major_order() -> None:
    array = read_idx(idx(2, 3, 4, values=bytes(range(24))), "x")
    assert array.shape == (2, 3, 4)
    assert array.dtype == np.uint8
    assert array[1, 2].tolist() == [20, 21, 22, 23]
    array[0, 0, 0] = 9  # a copy of its own: it can be written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x is truncated: an IDX file starts with 4 bytes, this one has 0"),
        (b"\0\0\x08", "this one has 3"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "x is still compressed"),
        (b"\x89PNG\r\n\x1a\n", "x is not an IDX file of unsigned bytes: it starts with 89 50 4e 47, expected 00 00 08"),
        (struct.pack(">4BI", 0, 0, 0x0D, 1, 1) + bytes(4), "starts with 00 00 0d 01"),
        (struct.pack(">4B", 0, 0, 8, 0), "starts with 00 00 08 00"),
        (idx(2, 2, 2)[:10], "x is truncated: its header has 16 bytes, found 10"),
        (idx(2, 3, 3)[:-1], "x is truncated: 2×3×3 values and the header are 34 bytes, found 33"),
        (idx(2, 3, 3) + b"ab", "x has 2 extra bytes: 2×3×3 values and the header are 34 bytes, found 36"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "x is truncated: 4294967295×"),
    ],
)
def test_what_is_no_idx_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_idx(content, "x")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (idx(3, 2, 2), idx(2), "pictures.idx has 3 pictures, but labels.idx has 2 labels"),
        (idx(3), idx(3, 2, 2), "pictures.idx should have pictures: expected 3 dimensions, found 1"),
        (idx(3, 2, 2), idx(3, 1), "labels.idx should have labels: expected 1 dimensions, found 2"),
        (idx(0, 2, 2), idx(0), "pictures.idx is empty"),
        (idx(3, 2, 2), idx(3, values=b"\x09\x0a\x0b"), "labels.idx has the label 10 at position 1; expected 0 to 9"),
    ],
)
def test_idx_files_that_do_not_belong_together(pictures: bytes, labels: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_labelled(pictures, labels, ("pictures.idx", "labels.idx"), classes=10)
    assert message in str(error.value)


def test_idx_files_that_belong_together() -> None:
    pixels, labels = read_labelled(idx(3, 2, 2), idx(3, values=b"\x09\x00\x05"), ("p", "l"), classes=10)
    assert pixels.shape == (3, 2, 2)
    assert labels.dtype == np.int64
    assert labels.tolist() == [9, 0, 5]


def test_pictures_need_a_label_each() -> None:
    with pytest.raises(DataError, match=r"sizes \(3, 2, 2\) and \(2,\)"):
        Pictures(np.zeros((3, 2, 2), np.uint8), np.zeros(2, np.int64))


# A folder of pictures


def draw(path: Path, value: int = 0, suffix: str = ".png") -> Path:
    """A picture with a bar of ink whose height is `value` + 4 pixels, on white paper."""
    grey = np.full((32, 24), 255, np.uint8)
    grey[4 : 8 + value, 10:13] = 0
    path = path.with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)
    return path


def draw_many(folder: Path, count: int, classes: tuple[str, ...] = ("0", "1")) -> None:
    for name in classes:
        for number in range(count):
            draw(folder / name / f"{number}.png", number % 20)


def labelled(folder: Path) -> dict[str, list[tuple[str, int]]]:
    listing = list_folder(folder)
    return {
        split: [(path.relative_to(folder).as_posix(), label) for path, label in pictures]
        for split, pictures in listing.splits.items()
    }


def test_a_folder_is_split_evenly_in_every_class(tmp_path: Path) -> None:
    draw_many(tmp_path / "mine", 20, ("a", "b", "c"))
    data = load_digits(tmp_path / "mine")
    assert (data.name, data.shape, data.classes) == ("mine", (28, 28), ("a", "b", "c"))
    assert [np.bincount(split_of(data, split).labels).tolist() for split in SPLITS] == [[16] * 3, [2] * 3, [2] * 3]
    assert data.train.pixels.dtype == np.uint8
    assert data.train.labels.dtype == np.int64
    assert data.train.pixels.max() == 255
    # Every picture has a class: those with label 0 are those of folder "a".
    paths = labelled(tmp_path / "mine")
    assert all(path.startswith("abc"[label]) for pairs in paths.values() for path, label in pairs)
    assert len({path for pairs in paths.values() for path, _ in pairs}) == 60


def test_pixels_and_labels_stay_together(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "short" / f"{number}.png", 0)
        draw(tmp_path / "long" / f"{number}.png", 20)
    data = load_digits(str(tmp_path))
    assert data.classes == ("long", "short")
    for split in SPLITS:
        pictures = split_of(data, split)
        widths = (pictures.pixels > 0).any(axis=1).sum(axis=1)  # a short bar fills the box with more columns
        assert np.array_equal(widths > widths.mean(), pictures.labels == 1)


def test_a_folder_is_split_the_same_wherever_it_lies(tmp_path: Path) -> None:
    draw_many(tmp_path / "here", 15)
    before = labelled(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "far" / "away")
    assert labelled(tmp_path / "far" / "away") == before
    labels = [label for _, label in before["train"]]
    assert labels != sorted(labels), "the classes are mixed, so the first N pictures are of all of them"


def test_classes_are_sorted_as_people_count(tmp_path: Path) -> None:
    draw_many(tmp_path, 3, ("10", "9", "1", "x2", "x10", "b"))
    assert list_folder(tmp_path).classes == ("1", "9", "10", "b", "x2", "x10")


def test_given_splits_are_kept(tmp_path: Path) -> None:
    draw_many(tmp_path / "Train", 4)
    draw_many(tmp_path / "valid", 2)
    draw_many(tmp_path / "test", 1, ("1",))
    paths = labelled(tmp_path)
    assert {split: len(pairs) for split, pairs in paths.items()} == {"train": 8, "validation": 4, "test": 1}
    assert all(path.startswith("valid/") for path, _ in paths["validation"])
    assert paths["test"] == [("test/1/0.png", 1)]


def test_a_split_that_is_not_given_is_taken_out_of_train(tmp_path: Path) -> None:
    draw_many(tmp_path / "train", 20)
    draw_many(tmp_path / "test", 5)
    paths = labelled(tmp_path)
    assert {split: len(pairs) for split, pairs in paths.items()} == {"train": 36, "validation": 4, "test": 10}
    assert all(path.startswith("train/") for path, _ in paths["validation"])


def test_train_can_be_a_class(tmp_path: Path) -> None:
    draw_many(tmp_path, 3, ("train", "plane", "car"))
    assert list_folder(tmp_path).classes == ("car", "plane", "train")


def test_what_systems_leave_behind_is_no_picture(tmp_path: Path) -> None:
    draw_many(tmp_path, 3)
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "README.md"):
        (tmp_path / "0" / name).write_text("no picture")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert list_folder(tmp_path).classes == ("0", "1")
    assert len(load_digits(tmp_path).train) == 2


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".gif", ".webp", ".tif"])
def test_every_usual_format_is_read(suffix: str, tmp_path: Path) -> None:
    for name in ("0", "1"):
        for number in range(3):
            draw(tmp_path / name / str(number), 8, suffix)
    assert load_digits(tmp_path).train.pixels.max() == 255


def test_pictures_are_brought_to_the_wanted_shape(tmp_path: Path) -> None:
    draw_many(tmp_path, 3)
    assert load_digits(tmp_path, shape=(8, 8)).shape == (8, 8)


# What can be wrong with a folder


def refused(folder: Path | str) -> str:
    with pytest.raises(DataError) as error:
        load_digits(folder)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_an_empty_folder(tmp_path: Path) -> None:
    assert f"{tmp_path} is empty; put the pictures of each class into a folder of its own" in refused(tmp_path)


def test_pictures_without_class_folders(tmp_path: Path) -> None:
    draw(tmp_path / "seven.png")
    assert "has no class folders, but files such as seven.png" in refused(tmp_path)


def test_splits_without_class_folders(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "seven.png")
    draw(tmp_path / "test" / "seven.png")
    assert f"{tmp_path / 'test'} has no class folders" in refused(tmp_path)


def test_class_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "1").mkdir()
    assert f"{tmp_path} has no pictures in its 2 folders" in refused(tmp_path)


def test_one_class_folder_without_pictures(tmp_path: Path) -> None:
    draw_many(tmp_path, 3)
    (tmp_path / "7").mkdir()
    assert f"the class 7 in {tmp_path} has no pictures" in refused(tmp_path)


def test_only_one_class(tmp_path: Path) -> None:
    draw_many(tmp_path, 3, ("7",))
    assert "has only one class, 7; a recogniser needs at least two" in refused(tmp_path)


def test_too_few_pictures_to_split(tmp_path: Path) -> None:
    draw_many(tmp_path, 3)
    draw(tmp_path / "1" / "0.png").unlink()
    assert "the class 1 in" in refused(tmp_path)
    assert "too few pictures (2)" in refused(tmp_path)


def test_a_class_that_train_does_not_have(tmp_path: Path) -> None:
    draw_many(tmp_path / "train", 3)
    draw_many(tmp_path / "test", 3, ("0", "7"))
    assert f"{tmp_path / 'test'} has the class 7, which {tmp_path / 'train'} does not have" in refused(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.heic", "a"])
def test_a_file_that_is_no_picture_is_named(name: str, tmp_path: Path) -> None:
    draw_many(tmp_path, 3)
    (tmp_path / "1" / name).write_bytes(b"this is no picture at all")
    assert f"{tmp_path / '1' / name} is not a readable picture" in refused(tmp_path)


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_many(tmp_path, 3)

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert "cannot be read: Permission denied" in refused(tmp_path)


def test_unknown_data(tmp_path: Path) -> None:
    assert "no pictures are called 'minst', and no folder is there; give digits8x8, mnist or the path" in refused(
        "minst"
    )
    assert "shakespeare has no labelled pictures; give digits8x8, mnist or" in refused("shakespeare")
    file = draw(tmp_path / "a.png")
    assert f"{file} is a file; give digits8x8, mnist or" in refused(str(file))


def test_a_folder_called_like_a_set_is_meant_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_many(tmp_path / "digits8x8", 3)
    monkeypatch.chdir(tmp_path)
    assert load_digits("digits8x8").shape == (8, 8)
    assert load_digits("./digits8x8").shape == (28, 28)
    assert load_digits(Path("digits8x8")).shape == (28, 28)


@pytest.mark.parametrize("dimensions", [33, 65, 255])
def test_more_dimensions_than_an_array_can_have_are_refused(dimensions: int) -> None:
    content = bytes((0, 0, 8, dimensions)) + (1).to_bytes(4, "big") * dimensions + b"\x07"
    with pytest.raises(DataError, match=f"x has {dimensions} dimensions, but at most 32"):
        read_idx(content, "x")
