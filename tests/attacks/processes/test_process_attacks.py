"""Commands are killed at each of their moments, and what is wrong with an end is seen."""

from __future__ import annotations

import json
import os
import signal
from itertools import count
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the attacks need Linux")

if Path("/proc/self/stat").exists():  # they stand on what Windows does not have
    from commands import Command, Ended
    from kills import different
    from moments import Moment, watch
    from places import wrong_line
    from stops import wrong_end


def _visible(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name[0] != "."}


def test_an_exercise_that_is_begun_is_there_or_not_wherever_it_is_killed(tmp_path: Path) -> None:
    import kqv.cli.rebuild_display
    import kqv.workshop.desk  # so that no process has to

    words, whole, found = ("rebuild", "backprop"), {}, []
    for at in count():  # 0 is no moment
        folder = tmp_path / f"killed-{at}"
        folder.mkdir()
        ended = Command(words, folder, moment=Moment(at, torn=0.5)).begin().ended()
        if ended.status == 0 and at:
            break
        whole = whole or _visible(folder)
        assert ended.status == (-signal.SIGKILL if at else 0), ended.err
        assert all(whole[name] == content for name, content in _visible(folder).items())
        found.append(len(_visible(folder)))
        ended = Command(words, folder).begin().ended()
        assert (ended.status, _visible(folder)) == (0, whole), ended.err
        assert not list(folder.rglob("*.part"))
    assert len(found) >= 6, "a file is opened, made sure of and renamed, before and after"
    assert {0, len(whole)} <= set(found)
    assert kqv


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_who_is_ended_while_it_writes_says_so_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    half = Moment(3, signals=(number,))  # a new file is open, and not yet in the place of what it becomes
    ended = Command(("rebuild", "backprop"), tmp_path / "here", moment=half).begin().ended()
    assert (ended.status, ended.out, ended.err) == (128 + number, "", "stopped\n")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("columns", ["²", "9" * 30, "-1"])
def test_a_width_that_is_none_is_not_asked_for(columns: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    wide, narrow = (
        Command(("--help",), tmp_path / "here", {"COLUMNS": asked, "LINES": columns}, fresh=True).begin().ended()
        for asked in (columns, None)
    )
    assert (wide.status, wide.err) == (0, "")
    assert wide.out == narrow.out


def test_a_rank_without_others_makes_nothing_quiet(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    told, quiet = (
        Command(("data", "list"), tmp_path / "here", {"RANK": rank, "WORLD_SIZE": None}, fresh=True).begin().ended()
        for rank in (None, "3")
    )
    assert told.status == 0
    assert quiet == told


def test_a_line_is_half_there_where_it_is_torn(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        watch(Moment(2, torn=0.5))  # it is told of when the file is opened, and when it is open
        os.open(tmp_path / "metrics.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads((tmp_path / "metrics.jsonl").read_text())


SAID = 'Traceback (most recent call last):\n  File "x.py"\nValueError: no'


@pytest.mark.parametrize(("ended", "signals", "words"), [
    ((143, "one\nstopped"), (signal.SIGTERM,), ""),
    ((-15, ""), (signal.SIGTERM,), ""),  # before it listens
    ((130, ""), (signal.SIGINT, signal.SIGINT), ""),
    ((0, "Trained"), (signal.SIGTERM,), ""),
    ((130, "stopped"), (signal.SIGTERM,), "status 130"),
    ((143, ""), (signal.SIGTERM,), "0 lines say"),
    ((143, "stopped\nmore"), (signal.SIGTERM,), "a line came after"),
    ((1, SAID), (signal.SIGTERM,), "traceback: ValueError: no"),
    ((1, "error: no"), (signal.SIGSTOP, signal.SIGCONT), "halted, it ended with 1"),
])  # fmt: skip
def test_what_is_wrong_with_an_end_is_seen(ended: tuple[int, str], signals: tuple[int, ...], words: str) -> None:
    found = wrong_end(Ended(ended[0], "", ended[1]), signals)
    assert words in found if words else not found


@pytest.mark.parametrize(("ended", "words"), [
    ((1, "saved in run\nerror: the disk is full"), ""), ((0, ""), ""), ((1, SAID), "traceback"),
    ((1, "error: one\nerror: two"), "no error in one last line"), ((1, ""), "no error"), ((70, ""), "status 70"),
])  # fmt: skip
def test_what_is_wrong_with_a_refusal_is_seen(ended: tuple[int, str], words: str) -> None:
    found = wrong_line(Ended(ended[0], "", ended[1]))
    assert words in found if words else not found


def test_another_result_is_seen() -> None:
    assert different({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"}) == []
    assert different({"a": b"1"}, {"a": b"2", "b": b"2"}) == ["a", "b"]
