"""Full and read-only disks, limits on a file's size, and run directories that are moved, removed or replaced.

Whatever is refused ends in one line, nothing that was there before is lost, and no temporary file stays; a training
goes on from what is saved, and ends in the same bits.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from commands import Command, Ended
from found import Found, Plan
from jobs import Job, _command, _files, _left, _prepared, _server, jobs
from kills import EACH_STEP, Undisturbed, different, state
from moments import Moment
from stops import EARLY, Wanted
from trainings import again

DISK = 4 << 20  # bytes of a small disk
MOVES = ("moved", "removed", "replaced by a run", "replaced by a file", "replaced by a link", "made read-only")


def places(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many attacks of each kind as are planned."""
    with tempfile.TemporaryDirectory(prefix="kqv-places-") as above, _server() as address:
        wanted = Wanted(materials, Path(above))
        trained, every_job = (EARLY, wanted.of), jobs(address)
        of_jobs, kinds = (tuple(every_job), every_job.__getitem__), {"file size limit": _limited}
        if can_mount():  # where it may not, nothing is said of them
            kinds |= {"full disk": _full, "read-only": _read_only}
        parts = {f"{name}, training": (_training(how), trained) for name, how in kinds.items()}
        parts |= {f"{name}, other commands": (_job(how, materials), of_jobs) for name, how in kinds.items()}
        parts |= {"run directory": (_moved, trained), "one run, two trainings": (_shared, trained)}
        for turn in plan.turns("places", parts):
            attack, (names, of) = parts[turn.name]
            while turn.goes_on():
                subject, folder = turn.chance.choice(names), Path(above) / "here"
                found = of(subject)
                folder.mkdir()
                if why := attack(found, folder, turn.chance):
                    turn.found.fell.append(f"{subject}: {why}")
                turn.found.tried += 1
                shutil.rmtree(folder)
            yield turn.found


Surroundings = Callable[[Path, Random], "Iterator[tuple[str, Callable[[], None] | None]]"]


def _training(how: Callable) -> Callable[[Undisturbed, Path, Random], str]:
    def attack(wanted: Undisturbed, folder: Path, chance: Random) -> str:
        with how(folder, chance) as (what, before):
            ended = Command(wanted.words, folder, EACH_STEP, before=before).begin().ended()
            why = wrong_line(ended) or _left(folder)
        return (why and f"{why}, {what}") or _resumed(wanted, folder, "run", what)

    return attack


def _resumed(wanted: Undisturbed, folder: Path, run: str, what: str) -> str:
    """Whether the training goes on, once all is well again."""
    words = again(wanted.words, folder) if run == "run" else ("train", wanted.words[1], "--resume", run)
    last = Command(words, folder, EACH_STEP).begin().ended()
    if last.status:
        return f"then status {last.status}: {last.last}, {what}"
    differing = different(state(folder / run), wanted.state)
    return f"other than undisturbed: {', '.join(differing)[:200]}, {what}" if differing else ""


def _job(how: Callable, materials: Path) -> Callable[[Job, Path, Random], str]:
    def attack(job: Job, folder: Path, chance: Random) -> str:
        folder.rmdir()
        _prepared(job, materials, folder)
        before_it = _files(folder)
        with how(folder, chance) as (what, before):
            command = _command(job, folder)
            own = command.before
            command.before = lambda: [do() for do in (own, before) if do is not None] and None
            ended = command.begin().ended()
            why = wrong_line(ended) or _left(folder)
        lost = [path for path, content in before_it.items() if _files(folder).get(path) != content]
        why = why or (f"{lost[0]} is lost or changed" if lost else "")
        if not why and ended.status:
            last = _command(job, folder).begin().ended()
            why = f"then status {last.status}: {last.last}" if last.status else ""
        return f"{why}, {what}" if why else ""

    return attack


def wrong_line(ended: Ended) -> str:
    """What is wrong with how a command ended that was refused something; empty where nothing is."""
    if ended.fell or ended.status == 0:
        return ended.fell
    if ended.status not in (1, 2):
        return f"status {ended.status}: {ended.last}"
    errors = [line for line in ended.err.splitlines() if line.startswith("error")]
    if ended.status == 1 and (len(errors) != 1 or ended.last != errors[0]):
        return f"no error in one last line, but: {ended.err[-300:]!r}"
    return ""


@contextmanager
def _full(folder: Path, chance: Random) -> Iterator[tuple[str, None]]:
    """A small disk that has some room at first; afterwards what it holds is on a large one."""
    disk = folder.with_name("disk")
    with mounted(disk, f"size={DISK}"):
        shutil.copytree(folder, disk, dirs_exist_ok=True)
        left = int(chance.random() ** 3 * DISK / 2)
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "filler").write_bytes(bytes(max(room - left, 0)))
        _bound(disk, folder)
        try:
            yield f"{left:,} bytes left", None
        finally:
            subprocess.run(["umount", folder], check=True)
            (disk / "filler").unlink()
            shutil.copytree(disk, folder, dirs_exist_ok=True)


@contextmanager
def _read_only(folder: Path, chance: Random) -> Iterator[tuple[str, None]]:
    """A disk that can only be read."""
    _bound(folder, folder, "ro")
    try:
        yield "read-only", None
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def _limited(folder: Path, chance: Random) -> Iterator[tuple[str, Callable[[], None]]]:
    """No file may be larger than so many bytes: what the system says then is said for each file."""
    most = 4000 + int(chance.random() ** 3 * 200_000)  # what the command says goes to a file, too
    yield f"files up to {most:,} bytes", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _bound(source: Path, target: Path, options: str = "") -> None:
    subprocess.run(["mount", "--bind", source, target], check=True)
    if options:
        subprocess.run(["mount", "-o", f"remount,bind,{options}", target], check=True)


def can_mount() -> bool:
    """Whether this user may make a small disk."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        return made.returncode == 0 and subprocess.run(["umount", folder], check=False).returncode == 0


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A disk of its own in a folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def _moved(wanted: Undisturbed, folder: Path, chance: Random) -> str:
    """The run directory is moved, removed or replaced at a moment of its training."""
    what, at, run, away = chance.choice(MOVES), chance.randint(1, wanted.moments), folder / "run", folder / "away"
    other = folder / "other"

    def do() -> None:
        if what == "made read-only":
            run.chmod(0o500)
        elif run.exists():
            shutil.rmtree(run) if what == "removed" else run.rename(away)
            if what == "replaced by a run":
                shutil.copytree(other, run)
            elif what == "replaced by a file":
                run.write_text("mine")
            elif what == "replaced by a link":
                run.symlink_to("other")

    Command((*wanted.words[:-1], "other"), folder).begin().ended()
    theirs = _files(other)
    ended = Command(wanted.words, folder, EACH_STEP, Moment(at, do=do)).begin().ended()
    what = f"{what} at moment {at}"
    if why := wrong_line(ended) or ("" if _files(other) == theirs else "another run was changed"):
        return f"{why}, {what}"
    if "replaced by a run" in what and away.exists() and _files(run) != theirs:
        return f"the run that took its place was changed, {what}"
    if (away / "config.json").exists():
        return _resumed(wanted, folder, "away", what)
    return _resumed(wanted, folder, "run", what) if "read-only" in what else ""


def _shared(wanted: Undisturbed, folder: Path, chance: Random) -> str:
    """Two trainings of one folder: one trains it, the other one says so, and changes nothing."""
    after = chance.random() * wanted.seconds
    first = Command(wanted.words, folder, EACH_STEP).begin()
    time.sleep(after)
    second = Command(again(wanted.words, folder), folder, EACH_STEP).begin()
    found = [one.ended() for one in (first, second)]
    what = f"{after:.3f} s apart"
    if why := next((why for ended in found if (why := wrong_line(ended))), ""):
        return f"{why}, {what}"
    if all(ended.status for ended in found):
        return f"neither trained: {found[0].last} / {found[1].last}, {what}"
    return _resumed(wanted, folder, "run", what)
