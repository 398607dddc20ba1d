"""Data sets: a file in `kqv/data/sets` is all that a new one needs, and what it may not be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kqv
from kqv.data import sets
from kqv.data.digits import load_digits
from kqv.data.sets import PICTURES, SOURCES, TEXTS, Source, add, listed
from kqv.data.text.corpora import load_text
from kqv.errors import DataError

STRIPES = '''"""Stripes, lying and standing."""

import numpy as np

from kqv.data.labelled import DigitData, Pictures
from kqv.data.sets.table import Read, Source, add


def pictures(read: Read) -> DigitData:
    pixels = np.zeros((60, 8, 8), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        (picture if number % 2 else picture.T)[number % 8] = 255
    whole = Pictures(pixels, np.arange(60) % 2)
    return DigitData("stripes", ("standing", "lying"), whole[:40], whole[40:50], whole[50:])


source = Source("stripes", "stripes", "CC0", "https://example.org", embedded=True, kind="pictures")
add(source, pictures=pictures)
'''
COUNTING = '''"""Numbers that count up, from a file."""

import hashlib

from kqv.data.sets.table import File, Read, Source, add

CONTENT = "".join(f"after {n} comes {n + 1}\\n" for n in range(300)).encode()
FILE = File("counting.txt", ("https://example.org/1", "https://example.org/2"), hashlib.sha256(CONTENT).hexdigest(),
            len(CONTENT))


def text(read: Read) -> bytes:
    return read("counting.txt").upper()


add(Source("counting", "numbers", "CC0", "https://example.org", (FILE,), folder="numbers", kind="text"), text=text)
'''
USE = """
import json, kqv
from kqv.data.sets import PICTURES, SOURCES, TEXTS
from kqv.data.text.corpora import load_text
digits = kqv.train("digits", data="Stripes", steps=60, out="digits", device="cpu")
gpt = kqv.train("gpt", data="counting", steps=2, out="gpt", layers=1, heads=1, width=8, context=8, device="cpu")
print(json.dumps({"sources": list(SOURCES), "pictures": list(PICTURES), "texts": list(TEXTS),
                  "accuracy": digits.result.scores["accuracy"], "text": load_text("counting").train[:15],
                  "file": kqv.__file__, "step": gpt.result.step}))
"""


@pytest.fixture
def tables() -> Iterator[None]:
    """Whatever is added is taken out again."""
    before = [(table, dict(table)) for table in (SOURCES, PICTURES, TEXTS)]
    yield
    for table, content in before:
        table.clear()
        table.update(content)  # type: ignore[arg-type]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with two more files of sets, and the data of one of them."""
    package = tmp_path / "copy" / "kqv"
    shutil.copytree(Path(kqv.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "data" / "sets" / "stripes.py").write_text(STRIPES, encoding="utf-8")
    (package / "data" / "sets" / "counting.py").write_text(COUNTING, encoding="utf-8")
    data = tmp_path / "data" / "numbers"
    data.mkdir(parents=True)
    counting = "".join(f"after {number} comes {number + 1}\n" for number in range(300))
    (data / "counting.txt").write_bytes(counting.encode())
    return package.parent


def run(copy: Path, *words: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(copy), "KQV_DATA": str(copy.parent / "data"), "OMP_NUM_THREADS": "1", "COLUMNS": "300",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *words], cwd=copy.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_dropped_into_the_folder_is_a_set_to_train_on(copy: Path) -> None:
    found = json.loads(run(copy, "-c", USE).splitlines()[-1])
    assert Path(found["file"]).is_relative_to(copy)
    assert found["pictures"] == ["digits8x8", "stripes", "mnist"], "embedded first"
    assert found["texts"] == ["python-docs", "counting", "shakespeare"]
    assert [name for name in found["sources"] if name not in ("stripes", "counting")] == list(SOURCES)
    assert found["accuracy"] == 1
    assert found["text"] == "AFTER 0 COMES 1"
    assert found["step"] == 2


@pytest.mark.parametrize(
    ("system", "names"),
    [("digits", "digits8x8 (embedded), stripes (embedded), mnist"), ("gpt", "python-docs (embedded), counting")],
)
def test_help_lists_a_dropped_in_set(copy: Path, system: str, names: str) -> None:
    assert names in " ".join(run(copy, "-m", "kqv", "train", system, "--help").replace("│", " ").split())


def test_sets_are_shown_with_the_embedded_ones_first_and_then_by_kind() -> None:
    assert list(SOURCES) == [
        "digits8x8", "python-docs", "numbers-dates", "mnist", "shakespeare", "multi30k", "gpt2", "minilm", "smollm2"
    ]  # fmt: skip
    assert listed(PICTURES) == "digits8x8 (embedded), mnist"
    assert listed(TEXTS) == "python-docs (embedded), shakespeare"
    assert all(source.kind != "other" for source in SOURCES.values())


def test_each_file_of_the_folder_is_one_set() -> None:
    files = {path.stem for path in Path(sets.__file__).parent.glob("*.py")} - {"__init__", "table"}
    assert files == {name.replace("-", "_") for name in SOURCES}


def test_errors_list_what_the_tables_have(tables: None) -> None:
    made = Source("haiku", "short poems", "CC0", "https://example.org", embedded=True, kind="text")
    add(made, text=lambda read: b"an old silent pond\n")
    assert load_text("Haiku").train.startswith("an old")
    with pytest.raises(DataError, match="give haiku, python-docs, shakespeare or the path"):
        load_text("limericks")
    with pytest.raises(DataError, match="haiku has no labelled pictures; give digits8x8, mnist or the path"):
        load_digits("haiku")


@pytest.mark.parametrize(
    ("name", "problem"), [("mnist", "two data sets called 'mnist'"), ("MyDigits", "in lower case, not 'MyDigits'")]
)
def test_a_name_that_cannot_be_found_is_refused(tables: None, name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        add(Source(name, "digits", "CC0", "https://example.org", embedded=True))
    assert name == "mnist" or name not in SOURCES
