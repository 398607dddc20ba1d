"""Attack kqv: `python tests/attacks --size ci|night|figure [--seed N] [--kinds runs,gguf] [--seconds N]`.

Each attack is drawn from a seed, so that one that falls can be repeated: its line says which.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch

sys.path += [str(Path(__file__).parent / folder) for folder in ("inputs", "processes", "sockets")]
from asked import of_lab, of_server
from batches import AT_ONCE, fought_in_batches
from crafted_files import CRAFTED_FILES
from crafted_models import CRAFTED_MODELS
from crafted_words import CRAFTED_WORDS
from found import Plan
from fuzz import PARSERS, fuzz, missing
from kinds import KINDS
from materials import make
from process_kinds import PROCESSES as ENDED
from sieges import SERVED

SHOWN = 20  # of a kind
ALL = KINDS | CRAFTED_FILES | CRAFTED_MODELS | CRAFTED_WORDS | {"lab": of_lab, "server": of_server}
PROCESSES = ENDED | SERVED


@dataclass(frozen=True)
class Size:
    """So many `attacks` of each kind; of those on `processes` so many of each name, and so many `names` (None:
    all); `executions` of the fuzzer, over all parsers, of which so many `parsers` are tried.

    After so many `seconds` no new attack begins, but everything that is to be tried has at least one.
    """

    attacks: int
    processes: int
    names: int | None
    executions: int
    parsers: int | None
    seconds: float


SIZES = {
    "ci": Size(3, 1, 1, 200, 1, 40.0),
    "figure": Size(100, 144, None, 100_000, None, 3600.0),
    "night": Size(1200, 500, None, 5_000_000, None, 8 * 3600.0),
}


def main() -> int:
    """Run them, print a table, and give the number of those that fell."""
    asked = _asked()
    torch.set_num_threads(1)
    size = SIZES[asked.size]
    names = asked.kinds.split(",") if asked.kinds else [*ALL, *PROCESSES, "fuzz"]
    with tempfile.TemporaryDirectory(prefix="kqv-materials-") as folder:
        make(Path(folder))
        end, fell, left_out = time.monotonic() + (asked.seconds or size.seconds), 0, list[str]()
        print(f"{'kind':<26}{'tried':>8}{'survived':>10}{'fell':>6}{'most MiB':>10}{'most s':>8}", flush=True)
        for number, name in enumerate(names):
            now = time.monotonic()
            until = now + (end - now) / (len(names) - number)
            if name in ALL:
                fell += _of_kind(name, asked.attacks or size.attacks, Path(folder), asked.seed, until)
                continue
            plan = Plan(asked.attacks or size.processes, asked.seed, until, size.names)
            if name == "fuzz":
                fell += _fuzzed(asked.executions or size.executions, Path(folder), replace(plan, names=size.parsers))
            else:
                fell += _of_processes(name, Path(folder), plan)
            left_out += plan.left_out
    if left_out:
        print(f"not tried at this size with seed {asked.seed}: {', '.join(left_out)}")
    return min(fell, 1)


def _of_kind(name: str, attacks: int, materials: Path, seed: int, end: float) -> int:
    chance, fell, memory, seconds, tried = Random(f"{seed} {name}"), [], 0, 0.0, 0
    while tried < attacks and (not tried or time.monotonic() < end):
        drawn = [ALL[name](materials, chance) for _ in range(min(AT_ONCE, attacks - tried))]
        for found in fought_in_batches(drawn):
            tried, memory, seconds = tried + 1, max(memory, found.memory), max(seconds, found.seconds)
            if found.fell:
                fell.append(f"{found.attack.title}: {found.fell}")
    _say(name, tried, fell, f"{memory >> 20:>10}{seconds:>8.1f}")
    return len(fell)


def _of_processes(name: str, materials: Path, plan: Plan) -> int:
    fell = 0
    for found in PROCESSES[name](materials, plan):
        fell += len(found.fell)
        _say(found.name, found.tried, found.fell)
    return fell


def _fuzzed(executions: int, materials: Path, plan: Plan) -> int:
    """So many executions over all parsers, the same number of each."""
    if missing():
        print(f"{'fuzz':<26} skipped: {missing()}")
        return 0
    fallen = 0
    for turn in plan.turns("fuzz", PARSERS, "fuzz {}"):
        tried, fell, seconds = fuzz(-(-executions // len(PARSERS)), materials, plan.seed, turn.name)
        fallen += bool(fell)
        _say(turn.found.name, tried, [fell] if fell else [], f"{'':>10}{seconds:>8.1f}")
    return fallen


def _say(name: str, tried: int, fell: list[str], took: str = "") -> None:
    """A row of the table, and a line for each that fell."""
    print(f"{name:<26}{tried:>8}{tried - len(fell):>10}{len(fell):>6}{took}", flush=True)
    for line in fell[:SHOWN]:
        print(f"  fell: {line}", flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="ci")
    parser.add_argument("--attacks", type=int, help="so many of each kind; each size has its own")
    parser.add_argument("--executions", type=int, help="so many of the fuzzer, over all parsers; each size has its own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help=f"some of {', '.join([*ALL, *PROCESSES, 'fuzz'])}")
    parser.add_argument("--seconds", type=float, help="after so many no new attack begins; each size has its own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
