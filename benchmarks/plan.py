"""What `kqv plan` says beside what a training takes: seconds of a step, and memory, for nine recipes of different size.

    python benchmarks/plan.py --repetitions 3

Each measurement is a process of its own; plan and training take turns, so that both meet the same machine. A step's
time is the median between the steps that metrics.jsonl has; memory is how much the training's process grows while it
makes three steps, beside what the plan counts as tensors made in a step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import machine

from kqv.memory import keep_freed_memory
from kqv.systems.system import Asked, Watcher, system_named
from kqv.training.distributed import ALONE
from kqv.training.launch import make_optimizer

RECIPES = {
    "adder/adder-10": 400, "digits/nielsen": 20_000, "digits/digits-best": 60, "digits/convolutional": 60,
    "gpt/nanogpt-cpu": 120, "gpt/shakespeare-best": 30, "gpt/shakespeare-large": 8, "translate/numbers-dates": 150,
    "translate/multi30k-en-de": 25,
}  # fmt: skip
"""Each with the number of steps that are trained: a few seconds."""

WARM = 3  # steps that are not counted


def planned(name: str) -> dict[str, Any]:
    """What the plan says, by a process of its own."""
    words = [sys.executable, "-m", "kqv", "plan", name, "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def seconds_of_training(name: str, steps: int) -> float:
    """The median time of a step in a real training."""
    system, recipe = name.split("/")
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "kqv", "train", system, "--recipe", recipe, "--steps", str(steps)]
        subprocess.run([*words, "--out", f"{folder}/run"], capture_output=True, check=True)
        rows = [json.loads(line) for line in Path(folder, "run", "metrics.jsonl").read_text().splitlines()]
    points = [(row["step"], row["seconds"]) for row in rows if "loss" in row]
    points = points[min(WARM, len(points) - 2) : -1]  # the last one comes after the evaluation
    return statistics.median((after - before) / (later - step) for (step, before), (later, after) in pairwise(points))


def grown(name: str) -> None:
    """Print by how many bytes this process grows while it makes three steps."""
    system, recipe = name.split("/")
    keep_freed_memory()
    planned = system_named(system).plan(Asked(recipe), ALONE, Watcher())
    prepared = planned.prepare()
    task = prepared.task
    optimizer = make_optimizer(task.model, prepared.recipe.training)
    task.model.train()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before = _status("VmRSS")
    for step in range(3):
        task.learn(task.batch(step))
        optimizer.clip_gradients()
        optimizer.step()
        optimizer.zero_grad()
    print(_status("VmHWM") - before)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{field}:")))


def compared(name: str, repetitions: int) -> dict[str, Any]:
    """Plan and training of a recipe, in turn."""
    plans, trainings = [], []
    for _ in range(repetitions):
        plans.append(planned(name))
        trainings.append(seconds_of_training(name, RECIPES[name]))
    said, took = statistics.median(plan["pace"]["step"] for plan in plans), statistics.median(trainings)
    memory = plans[0]["step"]["memory"]
    made = memory["whole"] - memory["weights"] - memory["data"]
    words = [sys.executable, __file__, "--grown", name]
    growth = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return {
        "recipe": name, "parameters": plans[0]["parameters"], "planned_ms": 1000 * said, "measured_ms": 1000 * took,
        "time_ratio": said / took, "planned_mb": made / 1e6, "measured_mb": growth / 1e6,
        "memory_ratio": made / growth if growth else float("nan"),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--recipe", choices=list(RECIPES), action="append")
    parser.add_argument("--grown", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.grown:
        grown(given.grown)
        return
    print(json.dumps(machine()))
    for name in given.recipe or RECIPES:
        print(json.dumps(compared(name, given.repetitions)), flush=True)


if __name__ == "__main__":
    main()
