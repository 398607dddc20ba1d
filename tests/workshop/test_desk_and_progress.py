"""The learner's folder: nothing that he wrote is ever lost, and what he has done is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kqv.errors import DataError, Error
from kqv.workshop import progress
from kqv.workshop.catalogue import exercise, names
from kqv.workshop.desk import begin, reset
from kqv.workshop.progress import Progress
from kqv.workshop.template import template


def test_begin_writes_the_form_once(here: Path) -> None:
    path, is_new = begin(Path("rebuild"), "backprop")
    assert (path, is_new) == (Path("rebuild/backprop.py"), True)
    assert path.read_text(encoding="utf-8") == template(exercise("backprop"))
    path.write_text("mine")
    assert begin(Path("rebuild"), "backprop") == (path, False)
    assert path.read_text() == "mine"


def test_a_form_in_another_folder_names_it_in_its_commands(here: Path) -> None:
    path, _ = begin(Path("my own"), "sigmoid")
    assert "kqv rebuild check sigmoid --folder 'my own'" in path.read_text(encoding="utf-8")


def test_begin_leaves_a_link_to_nowhere_alone(here: Path) -> None:
    Path("rebuild").mkdir()
    Path("rebuild/sigmoid.py").symlink_to("nowhere.py")
    assert begin(Path("rebuild"), "sigmoid")[1] is False
    assert not Path("rebuild/nowhere.py").exists()


def test_reset_keeps_every_file_that_was_there(here: Path) -> None:
    folder = Path("rebuild")
    path, _ = begin(folder, "sigmoid")
    kept = []
    for text in ("first", "second", "third"):
        path.write_text(text)
        kept.append(reset(folder, "sigmoid")[1])
        assert path.read_text(encoding="utf-8") == template(exercise("sigmoid"))
    assert kept == [folder / "sigmoid.old.py", folder / "sigmoid.old-2.py", folder / "sigmoid.old-3.py"]
    assert [old.read_text() for old in kept if old] == ["first", "second", "third"]


def test_reset_without_a_file_is_a_beginning(here: Path) -> None:
    path, old = reset(Path("rebuild"), "sigmoid")
    assert old is None
    assert path.is_file()


def test_a_folder_that_cannot_be_made(here: Path) -> None:
    Path("rebuild").write_text("a file")
    with pytest.raises(Error, match="a file of that name stands there"):
        begin(Path("rebuild"), "sigmoid")


def test_states_and_what_comes_next(here: Path) -> None:
    folder, known = Path("rebuild"), Progress()
    assert (known.state("sigmoid", folder), known.next_one(folder)) == ("not begun", "sigmoid")
    begin(folder, "sigmoid")
    assert (known.state("sigmoid", folder), known.next_one(folder)) == ("begun", "sigmoid")
    known.of("sigmoid").passed = 64 * "0"
    assert (known.state("sigmoid", folder), known.next_one(folder)) == ("passed", "feedforward")
    for name in names():
        known.of(name).passed = 64 * "0"
    assert known.next_one(folder) is None


def test_progress_comes_back(here: Path) -> None:
    known = Progress()
    record = known.of("backprop")
    record.hints, record.checks, record.accuracy, record.data = 2, 5, 0.95, "digits8x8"
    progress.write(Path("new/folder"), known)
    assert progress.read(Path("new/folder")) == known
    assert progress.read(Path("nowhere")) == Progress()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"exercises": 3}', '{"exercises": {"sigmoid": {"hints": 9}}}', "\x00\xff"]
)
def test_damaged_progress_is_reported_and_kept(here: Path, damage: str) -> None:
    path = here / progress.FILE
    path.write_bytes(damage.encode("latin-1"))
    with pytest.raises(DataError, match="kqv rebuild repair"):
        progress.read(here)
    assert path.read_bytes() == damage.encode("latin-1")
    old = progress.set_aside(here)
    assert old is not None
    assert old.read_bytes() == damage.encode("latin-1")
    path.write_text("again")
    assert progress.set_aside(here) == here / "progress.old-2.json"


def test_exercises_of_another_version_do_no_harm(here: Path) -> None:
    (here / progress.FILE).write_text(json.dumps({"exercises": {"attention": {"checks": 1, "more": 2}}, "else": 1}))
    assert progress.summary(progress.read(here), here)["next"] == "sigmoid"
