"""Writing files: whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kqv.errors import Error
from kqv.files import make_folder, parsed_json, require_writable, write_json, write_text, written_atomically


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_file_takes_its_position_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written_atomically(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert content(tmp_path) == {"a.txt": "new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_what_was_there_stays_when_writing_fails(failure: type[BaseException], tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def write_half() -> None:
        with written_atomically(tmp_path / "a.txt") as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert content(tmp_path) == {"a.txt": "old"}


@pytest.mark.parametrize("refused", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "the disk is read-only; choose another location"),
    ],
)
def test_what_was_there_stays_when_the_disk_refuses(
    refused: str, number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "a.txt", "old")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, refused, refuse)
    with pytest.raises(Error, match=f"cannot write .*a.txt: {words}; what was there before is kept"):
        write_text(tmp_path / "a.txt", "new")
    monkeypatch.undo()
    assert content(tmp_path) == {"a.txt": "old"}


def test_the_data_is_on_the_disk_before_the_name_points_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *given, **more: (order.append("replace"), replace(*given, **more))[1])
    write_text(tmp_path / "a.txt", "new")
    assert order[:2] == ["sync", "replace"]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"größe": 1, "b": [1, 2]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "größe" in text
    assert json.loads(text) == {"größe": 1, "b": [1, 2]}


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Error, match="a file of that name stands there; choose another name"):
        make_folder(tmp_path / "file")
    with pytest.raises(Error, match="a part of the path is a file, not a folder; choose another location"):
        make_folder(tmp_path / "file" / "inner")
    with pytest.raises(Error, match="the name is too long; choose a shorter one"):
        make_folder(tmp_path / ("x" * 5000))
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("text", ["NaN", "[1, Infinity]", '{"a": -Infinity}', "1e999", "{", ""])
def test_what_is_no_json_is_refused(text: str) -> None:
    assert parsed_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match=r"infinite or NaN|Expecting"):
        parsed_json(text)


def test_where_nothing_can_be_written_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_writable(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())

    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Error, match=r"a\.png: the disk is read-only"):
        require_writable(tmp_path / "a.png")
