"""A folder that is held: what is written lands in it, and never in another one that took its name."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kqv.errors import Error
from kqv.files.directory import Directory, LockedError, MovedError


@pytest.fixture(params=["held by a handle", "compared"])
def directory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    """A folder `r` with a file; with the system's handles, and as where it has none (Windows)."""
    if request.param == "compared":
        monkeypatch.setattr("kqv.files.directory.fcntl", None)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.txt").write_text("mine")
    directory = Directory(tmp_path / "r")
    assert (directory.handle is None) == (request.param == "compared")
    yield directory
    directory.close()


def write(directory: Directory, name: str, text: str) -> None:
    with directory.replaced(name) as file:
        file.write(text.encode())


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def replace_by_another(folder: Path) -> Path:
    """`mv r moved; cp -r other r`."""
    moved = folder.rename(folder.with_name("moved"))
    folder.mkdir()
    (folder / "a.txt").write_text("theirs")
    (folder / "lines").write_text("theirs\n")
    return moved


def test_files_are_written_read_and_removed(directory: Directory) -> None:
    write(directory, "a.txt", "new")
    directory.append("lines", "one\n")
    directory.append("lines", "two\n")
    assert content(directory.path) == {"a.txt": "new", "lines": "one\ntwo\n"}
    assert sorted(directory.names()) == ["a.txt", "lines"]
    assert (directory.read("lines"), directory.read("none")) == (b"one\ntwo\n", None)
    directory.remove("lines", "none")
    assert content(directory.path) == {"a.txt": "new"}
    assert directory.is_in_place
    assert directory.now_at == directory.path


def test_a_folder_that_took_its_path_is_left_alone(directory: Directory) -> None:
    moved = replace_by_another(directory.path)
    theirs = content(directory.path)
    if directory.handle is None:
        with pytest.raises(MovedError, match=r"cannot write .*a\.txt: the folder was moved or removed"):
            write(directory, "a.txt", "new")
        with pytest.raises(MovedError):
            directory.append("lines", "new")
        assert (directory.now_at, content(moved)) == (None, {"a.txt": "mine"})
    else:
        write(directory, "a.txt", "new")
        directory.append("lines", "new")
        assert content(moved) == {"a.txt": "new", "lines": "new"}
        assert directory.now_at == moved
    assert content(directory.path) == theirs
    assert not directory.is_in_place


def test_a_folder_that_was_moved_while_a_file_is_written(directory: Directory, tmp_path: Path) -> None:
    if directory.handle is None:
        pytest.skip("without handles the path alone leads there")
    with directory.replaced("a.txt") as file:
        file.write(b"new")
        replace_by_another(directory.path)
    assert content(tmp_path / "moved") == {"a.txt": "new"}
    assert content(directory.path)["a.txt"] == "theirs"


def test_a_folder_that_was_removed(directory: Directory) -> None:
    shutil.rmtree(directory.path)
    with pytest.raises(MovedError):
        write(directory, "a.txt", "new")
    with pytest.raises(MovedError):
        directory.append("lines", "new")
    assert (directory.is_in_place, directory.now_at) == (False, None)
    assert not directory.path.exists()


def test_a_refusal_of_the_disk_is_one_line_and_keeps_the_file(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Error, match=r"cannot write .*a\.txt: the disk is full.*; what was there before is kept"):
        write(directory, "a.txt", "new")
    assert content(directory.path) == {"a.txt": "mine"}


def test_links_are_not_followed_when_a_line_is_added(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "victim.txt").write_text("precious")
    (directory.path / "lines").symlink_to(tmp_path / "victim.txt")
    with pytest.raises(Error, match="cannot write"):
        directory.append("lines", "new")
    assert (tmp_path / "victim.txt").read_text() == "precious"


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    one, two = Directory(tmp_path), Directory(tmp_path)
    one.lock()
    for shared in (False, True):
        with pytest.raises(LockedError, match="another process works in"):
            two.lock(shared)
    one.close()
    two.lock(shared=True)
    two.close()


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(Error, match=r"cannot open the folder .*: "):
            Directory(tmp_path / name)
