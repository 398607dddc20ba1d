"""Only regular files are read, and a pipe or a device is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kqv.data.pictures import read_picture
from kqv.errors import DataError, RunError
from kqv.files.directory import Directory
from kqv.files.reading import open_regular, read_bytes, read_text
from kqv.tensors import read_tensors
from kqv.training.parsing import read_json

no_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: who opens it waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("eins\r\nzwei\rdrei\nÄ".encode())
    assert read_text(tmp_path / "text") == (tmp_path / "text").read_text(encoding="utf-8")
    assert read_bytes(tmp_path / "text", 4) == b"eins"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


@no_pipes
def test_a_pipe_a_device_and_a_folder_are_refused(pipe: Path, tmp_path: Path) -> None:
    for path in (pipe, Path("/dev/zero"), Path("/dev/null"), tmp_path):
        with pytest.raises(OSError, match="a file was expected"):
            open_regular(path)


@no_pipes
def test_whoever_reads_says_so_in_one_line(pipe: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pipe cannot be read: it is a pipe or a device"):
        read_picture(pipe, str(pipe))
    with pytest.raises(RunError, match="it is a pipe or a device"):
        read_json(pipe)
    with pytest.raises(RunError, match="it is a pipe or a device"):
        read_tensors(pipe)
    with pytest.raises(Exception, match="it is a pipe or a device"):
        Directory(tmp_path).read(pipe.name)
