"""Attack kqv: `python tests/attacks --size ci|night|figure [--seed N] [--kinds runs,gguf] [--seconds N]`.

Each attack is drawn from a seed, so that one that falls can be repeated: its line says which.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import torch

sys.path += [str(Path(__file__).parent / folder) for folder in ("inputs", "processes", "sockets")]
from asked import of_lab, of_server
from batches import AT_ONCE, fought_in_batches
from crafted_files import CRAFTED_FILES
from crafted_models import CRAFTED_MODELS
from crafted_words import CRAFTED_WORDS
from fuzz import PARSERS, fuzz, missing
from kinds import KINDS
from materials import make
from process_kinds import PROCESSES as ENDED
from sieges import SERVED

SHOWN = 20  # of a kind
ALL = KINDS | CRAFTED_FILES | CRAFTED_MODELS | CRAFTED_WORDS | {"lab": of_lab, "server": of_server}
PROCESSES = ENDED | SERVED
SIZES = {"ci": (6, 2, 50.0), "figure": (100, 144, 3600.0), "night": (1200, 500, 8 * 3600.0)}
"""Attacks of each kind, of processes so many of each training and command, and after how many seconds no new one
begins."""


FUZZED = {"ci": 2_200, "figure": 100_000, "night": 5_000_000}
"""Executions of the fuzzer, over all parsers."""


def main() -> int:
    """Run them, print a table, and give the number of those that fell."""
    asked = _asked()
    torch.set_num_threads(1)
    attacks, processes, seconds = SIZES[asked.size]
    names = asked.kinds.split(",") if asked.kinds else [*ALL, *PROCESSES, "fuzz"]
    with tempfile.TemporaryDirectory(prefix="kqv-materials-") as folder:
        make(Path(folder))
        end, fell = time.monotonic() + (asked.seconds or seconds), 0
        print(f"{'kind':<26}{'tried':>8}{'survived':>10}{'fell':>6}{'most MiB':>10}{'most s':>8}", flush=True)
        for number, name in enumerate(names):
            if name == "fuzz":
                fell += _fuzzed(asked.executions or FUZZED[asked.size], Path(folder), asked.seed)
                continue
            left = (end - time.monotonic()) / (len(names) - number)
            attack, most = (_of_processes, processes) if name in PROCESSES else (_of_kind, asked.attacks or attacks)
            fell += attack(name, most, Path(folder), asked.seed, time.monotonic() + left)
    return min(fell, 1)


def _of_kind(name: str, attacks: int, materials: Path, seed: int, end: float) -> int:
    chance, fell, memory, seconds, tried = Random(f"{seed} {name}"), [], 0, 0.0, 0
    while tried < attacks and time.monotonic() < end:
        drawn = [ALL[name](materials, chance) for _ in range(min(AT_ONCE, attacks - tried))]
        for found in fought_in_batches(drawn):
            tried, memory, seconds = tried + 1, max(memory, found.memory), max(seconds, found.seconds)
            if found.fell:
                fell.append(f"{found.attack.title}: {found.fell}")
    print(f"{name:<26}{tried:>8}{tried - len(fell):>10}{len(fell):>6}{memory >> 20:>10}{seconds:>8.1f}", flush=True)
    for line in fell[:SHOWN]:
        print(f"  fell: {line}", flush=True)
    return len(fell)


def _of_processes(name: str, most: int, materials: Path, seed: int, end: float) -> int:
    fell = 0
    for found in PROCESSES[name](materials, most, seed, end):
        fell += len(found.fell)
        print(f"{found.name:<26}{found.tried:>8}{found.tried - len(found.fell):>10}{len(found.fell):>6}", flush=True)
        for line in found.fell[:SHOWN]:
            print(f"  fell: {line}", flush=True)
    return fell


def _fuzzed(executions: int, materials: Path, seed: int) -> int:
    """So many executions over all parsers, the same number of each."""
    if missing():
        print(f"{'fuzz':<26} skipped: {missing()}")
        return 0
    fallen = 0
    for name in PARSERS:
        tried, fell, seconds = fuzz(-(-executions // len(PARSERS)), materials, seed, name)
        fallen += bool(fell)
        print(
            f"{f'fuzz {name}':<26}{tried:>8}{tried - bool(fell):>10}{bool(fell):>6}{'':>10}{seconds:>8.1f}", flush=True
        )
        if fell:
            print(f"  fell: {fell}", flush=True)
    return fallen


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
