"""IDX files whose sizes cannot be are refused, and so are pictures that break their library."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

from kqv.data.idx import read_idx
from kqv.data.pictures import read_picture
from kqv.errors import DataError


@pytest.mark.parametrize("sizes", [(0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**31, 2**31, 2**31, 0)])
def test_sizes_that_numpy_cannot_multiply_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"is empty, and its sizes .* cannot be"):
        read_idx(bytes((0, 0, 8, len(sizes))) + struct.pack(f">{len(sizes)}I", *sizes), "x.idx")


def test_an_empty_file_of_sizes_that_can_be_is_read() -> None:
    assert read_idx(bytes((0, 0, 8, 2)) + struct.pack(">2I", 0, 3), "x.idx").shape == (0, 3)


@pytest.mark.parametrize("failure", [KeyError("x"), ZeroDivisionError(), MemoryError()])
def test_whatever_a_picture_s_library_runs_into_is_one_line(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Image.Image) -> None:
        raise failure

    Image.new("L", (2, 2)).save(tmp_path / "x.ppm")
    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(DataError, match="is a damaged picture"):
        read_picture(tmp_path / "x.ppm", "x.ppm")
