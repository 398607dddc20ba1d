"""A folder of one's own pictures: one subfolder for each class, with or without given splits.

Either ``FOLDER/CLASS/picture.png``, and every tenth picture of each class goes to validation and to test; or
``FOLDER/train|validation|test/CLASS/picture.png``, and a split that is not given is taken out of train the same way.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kqv.data.idx import Bytes, Labels
from kqv.data.pictures import prepare_picture
from kqv.data.split import by_hash
from kqv.errors import DataError
from kqv.files import require_text

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
# What operating systems and people leave beside pictures; any other file in a class folder has to be a picture.
NO_PICTURE_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}
NO_PICTURE_SUFFIXES = {".txt", ".md", ".csv", ".json", ".xml"}
FEWEST_TO_SPLIT = 3  # one picture each for train, validation and test
HELD_OUT = 10  # one picture in so many goes to each held-out split, at least one


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder before they are read: each split's paths with their labels, which count `classes`."""

    classes: tuple[str, ...]
    splits: dict[str, list[tuple[Path, int]]]


def read_folder(folder: Path, shape: tuple[int, int]) -> tuple[tuple[str, ...], dict[str, tuple[Bytes, Labels]]]:
    """The classes of a folder of pictures, and for each split its pixels [picture, row, column] and labels [picture].

    Every picture is brought to `shape` (rows, columns) by `prepare_picture`. Raises `DataError` as `list_folder`, and
    for a file that is no picture, with its name.
    """
    listing = list_folder(folder)
    arrays = {}
    for split, pictures in listing.splits.items():
        pixels = np.stack([prepare_picture(path, shape) for path, _ in pictures])
        arrays[split] = pixels, np.array([label for _, label in pictures], dtype=np.int64)
    return listing.classes, arrays


def list_folder(folder: Path) -> Listing:
    """Which pictures of `folder` are in which split and class; reads no picture.

    Classes are in the order of their names, numbers by value. Within a split, pictures are in the order of their
    paths' hashes: mixed, but the same on every machine.

    Raises `DataError`: no folder, an empty one, one without class folders or with only one, a class without pictures
    or with too few to be split, a class that train does not have.
    """
    subfolders = _subfolders(folder)
    if not subfolders:
        raise DataError(_without_classes(folder))
    given = {SPLIT_NAMES[path.name.lower()]: path for path in subfolders if path.name.lower() in SPLIT_NAMES}
    # Only if all of them are splits: "train" may also be a class, beside "car" and "plane".
    if "train" not in given or len(given) != len(subfolders):
        given = {"train": folder}
    pictures = {split: _pictures_by_class(path) for split, path in given.items()}
    classes = tuple(pictures["train"])
    if len(classes) < 2:
        raise DataError(f"{given['train']} has only one class, {classes[0]}; a recogniser needs at least two")
    for split, by_class in pictures.items():
        unknown = [name for name in by_class if name not in classes]
        if unknown:
            raise DataError(f"{given[split]} has the class {unknown[0]}, which {given['train']} does not have")
    return Listing(classes, _hold_out(folder, classes, pictures))


def _hold_out(
    folder: Path, classes: tuple[str, ...], pictures: dict[str, dict[str, list[Path]]]
) -> dict[str, list[tuple[Path, int]]]:
    """Labelled pictures of all three splits: those that are not given are taken out of each class of train."""
    splits: dict[str, list[tuple[Path, int]]] = {"train": [], "validation": [], "test": []}
    missing = [split for split in splits if split not in pictures]
    for label, name in enumerate(classes):
        rest = _ordered(folder, pictures["train"][name])
        if missing and len(rest) < FEWEST_TO_SPLIT:
            raise DataError(
                f"the class {name} in {folder} has too few pictures ({len(rest)}) to be split into train, validation"
                f" and test; give at least {FEWEST_TO_SPLIT}"
            )
        count = max(1, len(rest) // HELD_OUT)
        for split in missing:
            splits[split] += [(path, label) for path in rest[:count]]
            rest = rest[count:]
        splits["train"] += [(path, label) for path in rest]
        for split in pictures.keys() - {"train"}:
            splits[split] += [(path, label) for path in pictures[split].get(name, [])]
    return {split: _ordered_pairs(folder, pairs) for split, pairs in splits.items()}


def _ordered(folder: Path, paths: list[Path]) -> list[Path]:
    """`paths` by the hash of each one relative to `folder`, so that moving the folder changes nothing."""
    return [paths[position] for position in by_hash(path.relative_to(folder).as_posix() for path in paths)]


def _ordered_pairs(folder: Path, pairs: list[tuple[Path, int]]) -> list[tuple[Path, int]]:
    labels = dict(pairs)
    return [(path, labels[path]) for path in _ordered(folder, list(labels))]


def _pictures_by_class(folder: Path) -> dict[str, list[Path]]:
    """The files of each class folder in `folder`, classes in order; at least one class, and none of them empty."""
    subfolders = sorted(_subfolders(folder), key=_natural_order)
    if not subfolders:
        raise DataError(_without_classes(folder))
    for path in subfolders:
        require_text(path)
    by_class = {path.name: _files(path) for path in subfolders}
    empty = [name for name, files in by_class.items() if not files]
    if len(empty) == len(by_class):
        raise DataError(f"{folder} has no pictures in its {len(by_class)} folders; put each class's pictures into one")
    if empty:
        raise DataError(f"the class {empty[0]} in {folder} has no pictures; add some or remove its folder")
    return by_class


def _without_classes(folder: Path) -> str:
    files = _files(folder)
    found = f"has no class folders, but files such as {files[0].name}" if files else "is empty"
    return f"{folder} {found}; put the pictures of each class into a folder of its own, such as {folder.name}/7/a.png"


def _subfolders(folder: Path) -> list[Path]:
    return [path for path, is_folder in _entries(folder) if is_folder]


def _files(folder: Path) -> list[Path]:
    files = [path for path, is_folder in _entries(folder) if not is_folder]
    return [path for path in files if path.suffix.lower() not in NO_PICTURE_SUFFIXES]


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """What lies in `folder` and whether it is a folder, without hidden files and what operating systems leave there."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((Path(entry.path), entry.is_dir()) for entry in entries)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return [entry for entry in found if entry[0].name[0] != "." and entry[0].name.lower() not in NO_PICTURE_NAMES]


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10, and both before a: runs of digits by their value, all else as text."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]
