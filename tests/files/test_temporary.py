"""Temporary files and folders: names that nobody can foresee, and what killed processes left is told from the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kqv.files import write_text, written_atomically
from kqv.files.temporary import new_file, new_folder, remove_leftovers

HOLDING = """
import sys, time
from pathlib import Path
from kqv.files.temporary import new_file, new_folder
new_file(Path(sys.argv[1]))
with new_folder(Path(sys.argv[1]).parent, "made") as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*"))


def test_names_cannot_be_foreseen(tmp_path: Path) -> None:
    found = set()
    for _ in range(20):
        handle, name = new_file(tmp_path / "a.txt")
        os.close(handle)
        with new_folder(tmp_path, "a.txt") as folder:
            found |= {name, str(folder)}
    assert len(found) == 40
    assert all(Path(name).name.startswith(".a.txt.") for name in found)
    assert all(str(os.getpid()) not in Path(name).name.split(".") for name in found)


@pytest.mark.parametrize("linked", ["victim.txt", "no file yet.txt"])
def test_what_waits_under_the_name_is_never_written_through(
    linked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if somebody could foresee the name: a link that stands there, and a file, are left alone."""
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    names = iter(["known", "taken", "free"])
    monkeypatch.setattr("kqv.files.temporary.secrets.token_hex", lambda _: next(names))
    (tmp_path / ".a.txt.known.part").symlink_to(tmp_path / linked)
    (tmp_path / ".a.txt.taken.part").write_text("somebody's")
    for _ in range(2):
        with pytest.raises(FileExistsError):
            new_file(tmp_path / "a.txt")
    handle, _ = new_file(tmp_path / "a.txt")
    os.close(handle)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "no file yet.txt").exists()
    assert (tmp_path / ".a.txt.taken.part").read_text() == "somebody's"


def test_a_folder_of_the_old_name_that_somebody_prepared_is_not_taken(tmp_path: Path) -> None:
    """As when another user had made `.NAME.PID.part` with a link in it, in a folder that both may write to."""
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    prepared = tmp_path / f".a.txt.{os.getpid()}.part"
    prepared.mkdir()
    (prepared / "a.txt").symlink_to(victim)
    with written_atomically(tmp_path / "a.txt") as file:
        file.write(b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.txt").is_symlink()


def test_what_is_made_may_be_read_as_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with new_folder(tmp_path, "made") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_leftovers_of_killed_processes_are_removed_and_what_living_ones_write_stays(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path / "a.txt")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (tmp_path / ".mine").write_text("mine")
        (tmp_path / "mine.part").write_text("mine")
        assert len(hidden(tmp_path)) == 3
        remove_leftovers(tmp_path)
        assert len(hidden(tmp_path)) == 3, "a living process writes them"
        process.send_signal(signal.SIGKILL)
        process.wait()
        remove_leftovers(tmp_path, "other.txt")
        assert len(hidden(tmp_path)) == 3, "they are of other names"
        write_text(tmp_path / "a.txt", "new")
        assert len(hidden(tmp_path)) == 2, "who writes the same file removes what was left of it"
        remove_leftovers(tmp_path)
        assert hidden(tmp_path) == [".mine"]
        assert (tmp_path / "mine.part").exists()
    finally:
        process.kill()
        process.communicate()


def test_a_link_is_no_leftover_and_nothing_behind_it_is_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").write_text("precious")
    (tmp_path / ".a.txt.1.part").symlink_to(tmp_path / "folder")
    remove_leftovers(tmp_path)
    assert (tmp_path / "folder" / "precious").exists()


def test_what_another_user_left_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, name = new_file(tmp_path / "a.txt")
    os.close(handle)
    monkeypatch.setattr(os, "getuid", lambda: Path(name).stat().st_uid + 1)
    remove_leftovers(tmp_path)
    assert Path(name).exists()


def test_a_new_file_that_was_taken_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment between making and locking it, another process may remove it."""
    fcntl = pytest.importorskip("fcntl")
    lock, seen = fcntl.flock, []

    def slow(handle: int, kind: int) -> None:
        seen.append(hidden(tmp_path))
        if len(seen) == 1:
            (tmp_path / seen[0][0]).unlink()
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", slow)
    handle, name = new_file(tmp_path / "a.txt")
    os.close(handle)
    assert len(seen) == 2
    assert hidden(tmp_path) == [Path(name).name]


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 127)
    write_text(path, "new")
    assert path.read_text() == "new"
