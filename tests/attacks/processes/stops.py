"""SIGINT (also twice), SIGTERM, SIGHUP, and SIGSTOP with SIGCONT, at random moments of trainings of every system.

Whoever is asked to stop says so in one line, with the status that shells have for it; what is resumed then ends in the
same bits as a training that nobody stopped.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from commands import Command, Ended
from found import Found, Plan
from kills import EACH_STEP, Undisturbed, different, state, undisturbed
from moments import Moment
from trainings import add_recipes, again, trainings

SIGNALS = {
    "SIGINT": (signal.SIGINT,), "SIGINT twice": (signal.SIGINT, signal.SIGINT), "SIGTERM": (signal.SIGTERM,),
    "SIGHUP": (signal.SIGHUP,), "SIGSTOP": (signal.SIGSTOP, signal.SIGCONT),
}  # fmt: skip
EARLY = ("adder", "digits", "gpt", "translate")


def stops(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many signals of each kind as are planned."""
    with tempfile.TemporaryDirectory(prefix="kqv-stops-") as above:
        wanted = Wanted(materials, Path(above))
        for turn in plan.turns("stops", SIGNALS, "{} while training"):
            while turn.goes_on():
                folder = Path(above) / "training"
                subject = wanted.of(turn.chance.choice(EARLY))
                folder.mkdir()
                if why := _one(subject, SIGNALS[turn.name], folder, turn.chance):
                    turn.found.fell.append(why)
                turn.found.tried += 1
                shutil.rmtree(folder)
            yield turn.found


class Wanted:
    """What each system's training leaves that nobody disturbs; it is trained when it is first asked for."""

    def __init__(self, materials: Path, above: Path) -> None:
        add_recipes()
        self.every, self.above = trainings(materials), above
        self.known: dict[str, Undisturbed] = {}

    def of(self, name: str) -> Undisturbed:
        """That of one of `EARLY`."""
        if name not in self.known:
            (self.above / name).mkdir()
            self.known[name] = undisturbed(self.every[name], self.above / name)
        return self.known[name]


def _one(wanted: Undisturbed, signals: tuple[int, ...], folder: Path, chance: Random) -> str:
    """What fell, with the moment; empty where all went well."""
    how, ended = signalled(Command(wanted.words, folder, EACH_STEP), signals, wanted.seconds, wanted.moments, chance)
    why = wrong_end(ended, signals)
    if not why and list(folder.rglob("*.part")) and not list(folder.rglob("*new-run*")):
        why = f"it left {next(folder.rglob('*.part')).name}"
    if not why:
        last = Command(again(wanted.words, folder), folder, EACH_STEP).begin().ended()
        differing = different(state(folder / "run"), wanted.state) if last.status == 0 else []
        if last.status:
            why = f"resumed: status {last.status}: {last.last}"
        elif differing:
            why = f"other than undisturbed: {', '.join(differing)[:200]}"
    return f"{why}, {' '.join(wanted.words[:2])}, {how}" if why else ""


def signalled(
    command: Command, signals: tuple[int, ...], seconds: float, moments: int, chance: Random
) -> tuple[str, Ended]:
    """When the command got its signals, and how it ended: at a random time or, where it does not stop it, a moment."""
    if signal.SIGSTOP in signals or not moments or chance.random() < 0.5:
        after, between = chance.random() * seconds, chance.random() * 0.05
        command.begin()
        time.sleep(after)
        for number in signals:
            command.send(number)
            time.sleep(between)
        return f"{after:.3f} s, {between:.3f} s", command.ended()
    at = chance.randint(1, moments)
    command.moment = Moment(at, signals=signals)
    return f"moment {at}", command.begin().ended()


def wrong_end(ended: Ended, signals: tuple[int, ...]) -> str:
    """What is wrong with how a command ended that got these signals; empty where nothing is."""
    if ended.fell:
        return ended.fell
    if ended.status == 0:
        return ""  # it was done, or was only halted
    if signal.SIGSTOP in signals:
        return f"halted, it ended with {ended.status}: {ended.last}"
    if ended.status == -signals[0]:
        return f"it died after it said: {ended.last}" if "stopped" in ended.last else ""  # as shells have it: 128 + n
    if ended.status != 128 + signals[0]:
        return f"status {ended.status}: {ended.last}"
    lines = [line for line in ended.err.splitlines() if "stopped" in line and "Ctrl-C stops" not in line]
    if len(lines) != 1 and not (len(signals) > 1 and not lines):  # a second one ends it without a word
        return f"{len(lines)} lines say that it stopped: {ended.err[-300:]!r}"
    return "" if not lines or ended.last == lines[0] else f"a line came after the last one: {ended.last}"
