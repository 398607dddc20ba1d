"""Closed, broken and full streams, and environments that nobody expects, for every command.

A command does its work, or ends in one line: never in a traceback, and never with another status than those that the
command line promises.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from commands import Command, Ended
from found import Found, Plan
from kills import EACH_STEP
from kinds import copied
from materials import USES
from trainings import add_recipes, trainings

STATUSES = (0, 1, 2)


def _closed(*numbers: int) -> Callable[[], None]:
    return lambda: [os.close(number) for number in numbers] and None


def _to(path: str, *numbers: int) -> Callable[[], None]:
    return lambda: [os.dup2(os.open(path, os.O_WRONLY), number) for number in numbers] and None


def _broken(*numbers: int) -> Callable[[], None]:
    """To a pipe whose reader is gone, as after `| head -1`."""

    def do() -> None:
        reading, writing = os.pipe()
        os.close(reading)
        for number in numbers:
            os.dup2(writing, number)

    return do


STREAMS: dict[str, Callable[[], None]] = {
    f"{what} {numbers}": do(*numbers)
    for what, do in {"closed": _closed, "broken": _broken}.items()
    for numbers in ((0,), (1,), (2,), (1, 2), (0, 1, 2), (0, 2))
} | {f"full {numbers}": _to("/dev/full", *numbers) for numbers in ((1,), (2,), (1, 2))}


def _gone() -> None:
    """The working directory is removed."""
    folder = Path.cwd()
    shutil.rmtree(folder)


PLACES: dict[str, tuple[dict[str, str | None], Callable[[], None] | None]] = {
    "no HOME": ({"HOME": None, "XDG_CACHE_HOME": None}, None),
    "HOME not there": ({"HOME": "/not/there", "XDG_CACHE_HOME": None}, None),
    "HOME a device": ({"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"}, None),
    "no PATH": ({"PATH": None}, None),
    "the working directory removed": ({}, _gone),
    **{f"TMPDIR={value}": ({"TMPDIR": value}, None) for value in ("/not/there", "", "/dev/null")},
    **{f"KQV_DATA={value}": ({"KQV_DATA": value}, None)
       for value in ("", "~nobody", "~nobodyatall", "/not/there", "/dev/null", ":", "\n", "x" * 5000)},
    **{f"COLUMNS={value}": ({"COLUMNS": value, "LINES": value}, None)
       for value in ("0", "-1", "abc", "1", "7", "1000000", "9" * 30, "²", "٣", "")},
    **{f"TERM={value}": ({"TERM": value}, None) for value in ("dumb", "", "nonsense", "\x1b[31m")},
    **{f"{name}={value}": ({name: value}, None)
       for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK") for value in ("x", "-1", "0", "", " ", "1.5", "9" * 30, "²")},
    **{f"KQV_CHECKPOINT_SECONDS={value}": ({"KQV_CHECKPOINT_SECONDS": value}, None)
       for value in ("", "x", "-1", "nan", "inf", "1e400", "0")},
    **{f"{name}={value}": ({name: value}, None) for name, value in (
        ("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("PYTHONWARNINGS", "error"), ("MPLBACKEND", "nonsense"),
        ("MPLCONFIGDIR", "/not/there"), ("LANG", "nonsense"), ("LC_ALL", "C"), ("TZ", "nonsense"),
        ("EDITOR", "/not/there"), ("TTY_COMPATIBLE", "x"), ("UNICODE_VERSION", "x"), ("OMP_NUM_THREADS", "x"),
    )},
}  # fmt: skip


def commands(materials: Path) -> dict[str, tuple[str, ...]]:
    """Every command, by a name; runs stand in the working directory, other materials where they are."""
    found = {" ".join(words[:2]): words for words in trainings(materials).values()}
    for system, uses in USES.items():
        for first, *rest in uses:
            found[f"{first} {system}"] = (first, f"run-{system}", *rest)
    found |= {
        name: tuple(name.split()) for name in (
            "runs", "runs --json", "data list", "data verify", "plan gpt", "rebuild", "rebuild backprop", "--help",
            "--version", "evaluate nothing", "nonsense", "train gpt --nonsense", "evaluate run-digits --plot x.png",
            "trace run-digits --html x.html --export x.json", "generate run-gpt --tokens 3", "translate run-translate",
            "export run-gpt --to gguf x.gguf", "export run-gpt --to onnx x.onnx", "data fetch digits8x8",
            "compare digits --vary activation=sigmoid,relu --seeds 1 --steps 2 --out q",
        )
    }  # fmt: skip
    return found


def surroundings(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many commands of each kind of surroundings as are planned."""
    add_recipes()
    every = commands(materials)
    with tempfile.TemporaryDirectory(prefix="kqv-surroundings-") as above:
        for turn in plan.turns("surroundings", ("streams", "environments")):
            name, chance, found = turn.name, turn.chance, turn.found
            while turn.goes_on():
                folder = Path(above) / "here"
                folder.mkdir()
                words = every[chance.choice(list(every))]
                for needed in [word for word in words if word in ("picture.png",) or word.startswith("run-")]:
                    copied(materials / needed, folder)
                streams, place = chance.choice(list(STREAMS)), chance.choice(list(PLACES))
                where, environment, before = (
                    (streams, {}, STREAMS[streams]) if name == "streams" else (place, *PLACES[place])
                )
                if why := _one(words, folder, environment, before, name == "environments"):
                    found.fell.append(f"{' '.join(words)[:100]}: {why}, {where[:40]}")
                found.tried += 1
                shutil.rmtree(folder, ignore_errors=True)
            yield found


def _one(
    words: tuple[str, ...], folder: Path, environment: Mapping[str, str | None], before: Callable[[], None] | None,
    fresh: bool,
) -> str:  # fmt: skip
    surroundings = EACH_STEP | dict(environment)
    ended = Command(words, folder, surroundings, before=before, fresh=fresh).begin().ended()
    return wrong(ended, fresh)


def wrong(ended: Ended, is_heard: bool) -> str:
    """What is wrong with how a command ended; `is_heard`: whether what it says can be heard."""
    if ended.fell:
        return ended.fell
    if ended.status not in STATUSES:
        return f"status {ended.status}: {ended.last}"
    if is_heard and ended.status and not ended.last.startswith("error"):
        return f"no error in one line: {ended.err[-200:]!r}"
    return ""
