"""What `kqv plan` says beside what a training takes: seconds of a step, and memory, for nine recipes of different size.

    python benchmarks/plan.py --repetitions 3

Each measurement is a process of its own; plan and training take turns, so that both meet the same machine. A step's
time is the median between the steps that metrics.jsonl has; memory is the most that the process holds, with Python and
its libraries, beside what the plan counts as tensors.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import machine

RECIPES = {
    "adder/adder-10": 400, "digits/nielsen": 20_000, "digits/digits-best": 60, "digits/convolutional": 60,
    "gpt/nanogpt-cpu": 120, "gpt/shakespeare-best": 30, "gpt/shakespeare-large": 8, "translate/numbers-dates": 150,
    "translate/multi30k-en-de": 25,
}  # fmt: skip
"""Each with the number of steps that are trained: a few seconds."""

WARM = 3  # steps that are not counted
LOOKS = 0.02  # seconds between two looks at a process


def planned(name: str) -> dict[str, Any]:
    """What the plan says, by a process of its own."""
    words = [sys.executable, "-m", "kqv", "plan", name, "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def training(name: str, steps: int) -> tuple[float, int]:
    """The median time of a step in a real training, and the bytes that its process held when it held most."""
    system, recipe = name.split("/")
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "kqv", "train", system, "--recipe", recipe, "--steps", str(steps)]
        held = most_held([*words, "--out", f"{folder}/run"])
        rows = [json.loads(line) for line in Path(folder, "run", "metrics.jsonl").read_text().splitlines()]
    points = [(row["step"], row["seconds"]) for row in rows if "loss" in row]
    points = points[min(WARM, len(points) - 2) : -1]  # the last one comes after the evaluation
    paces = [(after - before) / (later - step) for (step, before), (later, after) in pairwise(points)]
    return statistics.median(paces), held


def most_held(words: list[str]) -> int:
    """Run a command, and give the bytes that its process held when it held most, as Linux tells while it runs."""
    most = 0
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    most = 1024 * int(line.split()[1])
            time.sleep(LOOKS)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with status {process.returncode}")
    return most


def compared(name: str, repetitions: int) -> dict[str, Any]:
    """Plan and training of a recipe, in turn."""
    plans, trainings = [], []
    for _ in range(repetitions):
        plans.append(planned(name))
        trainings.append(training(name, RECIPES[name]))
    said = statistics.median(plan["pace"]["step"] for plan in plans)
    took = statistics.median(seconds for seconds, _ in trainings)
    planned_memory = statistics.median(plan["process"] for plan in plans)
    held = statistics.median(held for _, held in trainings)
    return {
        "recipe": name, "parameters": plans[0]["parameters"], "planned_ms": 1000 * said, "measured_ms": 1000 * took,
        "time_ratio": said / took, "tensors_mb": plans[0]["step"]["memory"]["whole"] / 1e6,
        "planned_mb": planned_memory / 1e6, "measured_mb": held / 1e6, "memory_ratio": planned_memory / held,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--recipe", choices=list(RECIPES), action="append")
    given = parser.parse_args()
    print(json.dumps(machine()))
    for name in given.recipe or RECIPES:
        print(json.dumps(compared(name, given.repetitions)), flush=True)


if __name__ == "__main__":
    main()
