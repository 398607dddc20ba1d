"""Whether two checkouts of kqv train to the same bits, trace the same numbers, and take the same time.

    python benchmarks/before_after.py BEFORE [AFTER]              proofs: losses, weights, traces, resuming
    python benchmarks/before_after.py BEFORE [AFTER] --time 5     a step's time, in pairs one after the other

BEFORE and AFTER are folders with a checkout (`git worktree add ../before COMMIT`); AFTER is this one unless given.
Every training is a command of its own, with the checkout's code, one seed and few steps; MNIST and tiny Shakespeare
come from KQV_DATA. A refactoring must leave every line at "the same".
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent.parent
RENAMED = {"places": "positions"}
"""Names of tensors that changed: what is now called by the second name was called by the first."""

TRAININGS = {
    "digits (dropout, AdamW)": ["digits", "--data", "mnist", "--steps", "24"],
    "textbook, by hand": ["digits", "--recipe", "nielsen", "--steps", "300"],
    "article": ["digits", "--recipe", "article", "--steps", "200"],
    "distorted pictures": ["digits", "--recipe", "digits-distorted", "--steps", "12"],
    "convolutional": ["digits", "--recipe", "convolutional", "--steps", "6"],
    "embedded digits": ["digits", "--steps", "24"],
    "GPT-2, AdamW": ["gpt", "--recipe", "nanogpt-cpu", "--steps", "24"],
    "Qwen3, Muon": ["gpt", "--recipe", "shakespeare-fast", "--steps", "12"],
    "Qwen3, Muon, dropout": ["gpt", "--recipe", "shakespeare-best", "--steps", "4"],
}
TIMED = {"nanogpt-cpu": 150, "shakespeare-fast": 150, "digits": 1500, "nielsen": 4000}


def kqv(checkout: Path, *words: str) -> str:
    """What a command of a checkout prints; stops everything where it fails."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "kqv", *words],
        env=environment,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{checkout}: kqv {' '.join(words)}\n{done.stderr}")
    return done.stdout


def train(checkout: Path, run: Path, words: list[str]) -> None:
    """Train a run with the checkout's code."""
    kqv(checkout, "train", *words, "--seed", "3", "--out", str(run))


def losses(run: Path) -> list[dict[str, float]]:
    """A run's measurements without those of the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in line.items() if "loss" in k or k in ("step", "accuracy")} for line in lines]


def differing(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    """Names of tensors that are not the same to the last bit, or that only one of the two has."""
    before = {renamed(name): tensor for name, tensor in before.items()}
    names = sorted(before.keys() | after.keys())
    return [n for n in names if n not in before or n not in after or not _same(before[n], after[n])]


def renamed(name: str) -> str:
    """A tensor's name as it is now."""
    return "".join(RENAMED.get(part, part) for part in re.split(r"([.:])", name))


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and one.contiguous().numpy().tobytes() == (other.contiguous().numpy().tobytes())
    )


def traced(checkout: Path, run: Path, folder: Path, words: list[str]) -> dict[str, torch.Tensor]:
    """Every tensor of a trace of the run's first example: values, gradients and what the update made."""
    flag = "--export" if "--export" in kqv(checkout, "trace", "--help") else "--json"  # the flag's older name
    kqv(checkout, "trace", str(run), *([text_of(run)] if words[0] == "gpt" else []), flag, str(folder))
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.rglob("*.safetensors")):
        found |= {f"{file.stem}:{name}": tensor for name, tensor in load_file(file).items()}
    return found


def text_of(run: Path) -> str:
    """A text that fills a run's context, with the token after it: both checkouts then trace the same positions."""
    recipe = json.loads((run / "config.json").read_text(encoding="utf-8"))["recipe"]
    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n"
    return (text * 4)[: recipe["model"]["context"] + 1]


def say(name: str, what: str, differences: list[str]) -> bool:
    """One line of the proof; whether it holds."""
    print(
        f"{name:<26} {what:<34} {'the same' if not differences else 'DIFFER: ' + ', '.join(differences[:6])}",
        flush=True,
    )
    return not differences


def prove(before: Path, after: Path) -> bool:
    """Train, trace and resume with both, and compare."""
    holds = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, words in TRAININGS.items():
            one, two = folder / "before", folder / "after"
            train(before, one, words)
            train(after, two, words)
            holds &= say(name, "losses", [] if losses(one) == losses(two) else ["losses"])
            weights = [load_file(run / "model.safetensors") for run in (one, two)]
            holds &= say(name, f"weights ({len(weights[0])} tensors)", differing(*weights))
            traces = [traced(*given, words) for given in ((before, one, folder / "t1"), (after, one, folder / "t2"))]
            old, new = ({n: t for n, t in trace.items() if "update" not in n} for trace in traces)
            kept = {n: new[n] for n in new if n in {renamed(o) for o in old}}  # newer traces export more
            holds &= say(name, f"trace of the old run ({len(old)} tensors)", differing(old, kept))
            steps = str(2 * int(words[words.index("--steps") + 1]))
            shutil.copytree(one, folder / "resumed")
            kqv(before, "train", words[0], "--resume", str(one), "--steps", steps)
            kqv(after, "train", words[0], "--resume", str(folder / "resumed"), "--steps", steps)
            weights = [load_file(run / "model.safetensors") for run in (one, folder / "resumed")]
            holds &= say(name, "the old run, resumed", differing(*weights))
            for made in folder.iterdir():
                shutil.rmtree(made)
    return holds


def seconds_per_step(checkout: Path, recipe: str, steps: int) -> float:
    """A training's seconds for each step, by its own clock."""
    system = "gpt" if recipe in ("nanogpt-cpu", "shakespeare-fast") else "digits"
    with tempfile.TemporaryDirectory() as folder:
        words = ["--recipe", recipe, "--steps", str(steps), "--json"]
        words += ["--data", "mnist"] if recipe == "digits" else []
        said = kqv(checkout, "train", system, *words, "--out", f"{folder}/run")
    return float(json.loads(said)["seconds"]) / steps


def time(before: Path, after: Path, pairs: int) -> None:
    """Medians of a step's time with both, and of the ratios of pairs."""
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {pairs} pairs")
    for recipe, steps in TIMED.items():
        measured = []
        for number in range(pairs):
            order = (before, after) if number % 2 == 0 else (after, before)
            taken = {checkout: seconds_per_step(checkout, recipe, steps) for checkout in order}
            measured.append((taken[before], taken[after]))
        one, two = (1000 * statistics.median(column) for column in zip(*measured, strict=True))
        ratios = sorted(b / a for a, b in measured)
        print(
            f"{recipe:<18} before {one:7.3f} ms, after {two:7.3f} ms a step; ratio {statistics.median(ratios):.3f} "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f})", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=HERE)
    parser.add_argument("--time", type=int, metavar="PAIRS", help="measure a step's time instead, so many pairs")
    given = parser.parse_args()
    if given.time:
        time(given.before.resolve(), given.after.resolve(), given.time)
    elif not prove(given.before.resolve(), given.after.resolve()):
        sys.exit(1)
