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
from arena import fought
from asked import of_lab, of_server
from kills import CHANGES, killed
from kinds import KINDS
from materials import make

SHOWN = 20  # of a kind
ALL = KINDS | {"lab": of_lab, "server": of_server}
SIZES = {"ci": (6, 2, 50.0), "figure": (100, 30, 3600.0), "night": (1200, 250, 8 * 3600.0)}
"""Attacks of each kind, kills of each system, and after how many seconds no new one begins."""


def main() -> int:
    """Run them, print a table, and give the number of those that fell."""
    asked = _asked()
    torch.set_num_threads(1)
    attacks, kills, seconds = SIZES[asked.size]
    names = asked.kinds.split(",") if asked.kinds else [*ALL, "kills"]
    with tempfile.TemporaryDirectory(prefix="kqv-materials-") as folder:
        make(Path(folder))
        end, fell = time.monotonic() + (asked.seconds or seconds), 0
        print(f"{'kind':<14}{'tried':>8}{'survived':>10}{'fell':>6}{'most MiB':>10}{'most s':>8}", flush=True)
        for number, name in enumerate(names):
            left = (end - time.monotonic()) / (len(names) - number)
            fell += (_killed if name == "kills" else _of_kind)(
                name, kills if name == "kills" else attacks, Path(folder), asked.seed, time.monotonic() + left
            )
    return min(fell, 1)


def _of_kind(name: str, attacks: int, materials: Path, seed: int, end: float) -> int:
    chance, fell, memory, seconds, tried = Random(f"{seed} {name}"), [], 0, 0.0, 0
    while tried < attacks and time.monotonic() < end:
        found = fought(ALL[name](materials, chance))
        tried, memory, seconds = tried + 1, max(memory, found.memory), max(seconds, found.seconds)
        if found.fell:
            fell.append(f"{found.attack.title}: {found.fell}")
    print(f"{name:<14}{tried:>8}{tried - len(fell):>10}{len(fell):>6}{memory >> 20:>10}{seconds:>8.1f}", flush=True)
    for line in fell[:SHOWN]:
        print(f"  fell: {line}", flush=True)
    return len(fell)


def _killed(name: str, kills: int, materials: Path, seed: int, end: float) -> int:
    fell = 0
    for system in CHANGES:
        found = killed(system, kills, materials, Random(f"{seed} {system}"))
        fell += len(found.fell)
        survived = found.tried - len(found.fell)
        print(f"{f'kill {system}':<14}{found.tried:>8}{survived:>10}{len(found.fell):>6}", flush=True)
        for line in found.fell:
            print(f"  fell: {line}", flush=True)
    return fell


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="ci")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help=f"some of {', '.join([*ALL, 'kills'])}")
    parser.add_argument("--seconds", type=float, help="after so many no new attack begins; each size has its own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
