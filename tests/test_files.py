"""Writing files: whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kqv.errors import Error
from kqv.files import make_folder, remove_leftovers, write_json, write_text, written_atomically


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_file_takes_its_place_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written_atomically(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert content(tmp_path) == {"a.txt": "new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_what_was_there_stays_when_writing_fails(failure: type[BaseException], tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def write_half() -> None:
        with written_atomically(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert content(tmp_path) == {"a.txt": "old"}


@pytest.mark.parametrize("refused", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full; free some space"), (errno.EROFS, "the disk is read-only; choose another place")],
)
def test_what_was_there_stays_when_the_disk_refuses(
    refused: str, number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "a.txt", "old")

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os if refused == "fsync" else Path, refused, refuse)
    with pytest.raises(Error, match=f"cannot write .*a.txt: {words}; what was there before is kept"):
        write_text(tmp_path / "a.txt", "new")
    monkeypatch.undo()
    assert content(tmp_path) == {"a.txt": "old"}


def test_the_data_is_on_the_disk_before_the_name_points_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    write_text(tmp_path / "a.txt", "new")
    assert order[:2] == ["sync", "replace"]


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    writer = written_atomically(tmp_path / "a.txt")
    temporary = writer.__enter__()
    temporary.write_text("half")
    (tmp_path / ".mine").write_text("mine")
    remove_leftovers(tmp_path)
    assert content(tmp_path) == {".mine": "mine"}


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"größe": 1, "b": [1, 2]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "größe" in text
    assert json.loads(text) == {"größe": 1, "b": [1, 2]}


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Error, match="a file of that name stands there; choose another name"):
        make_folder(tmp_path / "file")
    with pytest.raises(Error, match="a part of the path is a file, not a folder; choose another place"):
        make_folder(tmp_path / "file" / "inner")
    with pytest.raises(Error, match="the name is too long; choose a shorter one"):
        make_folder(tmp_path / ("x" * 5000))
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
