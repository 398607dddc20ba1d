"""Digits: time and test accuracy of recipes, as whole commands, over several seeds.

    python benchmarks/digits.py --data mnist --recipe digits --seeds 3

Each run is `kqv train digits` and then `kqv evaluate` in a fresh folder; the time is the whole training command's,
start and loading included. Nothing here chooses anything by the test set: it is scored once, at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

COMMAND = [sys.executable, "-c", "from kqv.cli.main import main; main()"]


def kqv(*words: str, folder: str) -> dict[str, Any]:
    """Run a kqv command that prints JSON."""
    done = subprocess.run([*COMMAND, *words, "--json"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def measure(recipe: str, data: str, seed: int) -> dict[str, float]:
    """One training and its test score."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        trained = kqv(
            "train", "digits", "--recipe", recipe, "--data", data, "--seed", str(seed), "--out", "run", folder=folder
        )
        seconds = time.perf_counter() - began
        scores = kqv("evaluate", "run", folder=folder)
    return {
        "seed": seed, "seconds": seconds, "training_seconds": trained["seconds"],
        "validation_accuracy": trained["validation_accuracy"], "test_accuracy": scores["accuracy"],
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = os.path.abspath(given.data) if os.path.isdir(given.data) else given.data  # noqa: PTH100, PTH112
    rows = [measure(given.recipe, data, seed) for seed in range(1, given.seeds + 1)]
    accuracies = [100 * row["test_accuracy"] for row in rows]
    result = {
        "recipe": given.recipe, "data": given.data, "runs": rows,
        "median_seconds": statistics.median(row["seconds"] for row in rows),
        "mean_test_accuracy": statistics.mean(accuracies),
        "spread": statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
    }  # fmt: skip
    if given.json:
        print(json.dumps(result))
        return
    for row in rows:
        print(
            f"seed {row['seed']:.0f}: {row['seconds']:.1f} s, validation {100 * row['validation_accuracy']:.2f} %, "
            f"test {100 * row['test_accuracy']:.2f} %"
        )
    print(
        f"{given.recipe} on {given.data}: {result['median_seconds']:.1f} s (median), "
        f"test {result['mean_test_accuracy']:.2f} % ± {result['spread']:.2f} over {len(rows)} seeds"
    )


if __name__ == "__main__":
    main()
