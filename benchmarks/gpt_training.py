"""Whole trainings of kqv's GPT against the plain twin, each in a process of its own, one after the other.

    python benchmarks/gpt_training.py nanogpt-cpu                    # against nanoGPT's flags: step and loss
    python benchmarks/gpt_training.py shakespeare-fast --seeds 3     # the time of the whole command, and its loss
    python benchmarks/gpt_training.py large                          # 10.7 M weights: step and peak memory, few steps

The twin is `plain_training.py`: PyTorch's own layers, AdamW and allocator as they come. Both read the text named, tiny
Shakespeare unless told otherwise, and score the whole validation text. Seconds are those of the whole command, from its
start to its end; milliseconds a step are medians; memory is the process's largest.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kqv.data.sources import SOURCES, find

HERE = Path(__file__).resolve().parent
TWIN = [sys.executable, str(HERE / "plain_training.py")]
_SOURCE = SOURCES["shakespeare"]
SHAKESPEARE = find(_SOURCE, _SOURCE.files[0]) or Path("tinyshakespeare", "input.txt")
LARGE = {"blocks": 6, "heads": 6, "model": 384, "context": 256, "batch": 16}


def timed(command: list[str]) -> dict[str, Any]:
    """Run a command to its end: what it printed, how many seconds it took, and its largest memory in megabytes."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        raise typer.Exit(process.returncode)
    return {"seconds": seconds, "memory_mb": usage.ru_maxrss / 1024, **json.loads(text.splitlines()[-1])}


def plain(text: Path, extra: list[str]) -> dict[str, Any]:
    """The twin."""
    found = timed([*TWIN, str(text), *extra])
    return {name: found.get(name) for name in ("seconds", "memory_mb", "step_ms", "loss")} | {"name": "plain"}


def ours(recipe: str, text: Path, seed: int, steps: int | None) -> dict[str, Any]:
    """`kqv train gpt` with a recipe."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["gpt", "--recipe", recipe, "--data", str(text), "--seed", str(seed), "--out", str(out), "--json"]
        words += [] if steps is None else ["--steps", str(steps)]
        found = timed([sys.executable, "-m", "kqv", "train", *words])
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [line for line in lines if "loss" in line]
    paces = [1e3 * (b["seconds"] - a["seconds"]) / (b["step"] - a["step"]) for a, b in pairwise(losses)]
    return {
        "name": f"kqv {recipe}, seed {seed}", "seconds": found["seconds"], "memory_mb": found["memory_mb"],
        "step_ms": statistics.median(paces), "loss": found["validation_loss"],
    }  # fmt: skip


def main(
    recipe: Annotated[str, typer.Argument(help="A recipe of kqv, or `large`.")] = "nanogpt-cpu",
    text: Annotated[Path, typer.Option(help="The text; without it tiny Shakespeare in KQV_DATA.")] = SHAKESPEARE,
    seeds: Annotated[int, typer.Option(help="So many trainings of kqv, with seeds from 1.")] = 1,
    twins: Annotated[int, typer.Option(help="So many trainings of the twin.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Train the twin and kqv alternately, and compare."""
    large = recipe == "large"
    extra = [word for name, size in LARGE.items() for word in (f"--{name}", str(size))]
    extra = [*extra, "--steps", "12", "--no-loss"] if large else []
    found: dict[str, list[dict[str, Any]]] = {"plain": [], "kqv": []}
    for number in range(max(seeds, twins)):
        if number < twins:
            found["plain"].append(plain(text, [*extra, "--seed", str(number + 1)]))
        if number < seeds:
            found["kqv"].append(ours("shakespeare-large" if large else recipe, text, number + 1, 12 if large else None))
    report(recipe, found, as_json)


def report(recipe: str, found: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    """The trainings and the ratios of their medians."""

    def median(name: str, key: str) -> float | None:
        values = [one[key] for one in found[name] if one[key] is not None]
        return statistics.median(values) if values else None

    ratios = {}
    for key in ("seconds", "step_ms", "memory_mb"):
        mine, twins = median("kqv", key), median("plain", key)
        ratios[key] = None if mine is None or not twins else mine / twins
    if as_json:
        print(json.dumps({"recipe": recipe, **found, "ratios": ratios}))
        return
    table = Table(title=f"{recipe} against the plain twin")
    for column in ("training", "seconds", "ms a step", "memory", "validation loss"):
        table.add_column(column, justify="left" if column == "training" else "right")
    for one in [*found["plain"], *found["kqv"]]:
        loss = "" if one["loss"] is None else f"{one['loss']:.4f}"
        table.add_row(one["name"], f"{one['seconds']:.1f}", f"{one['step_ms']:.2f}", f"{one['memory_mb']:.0f} MB", loss)
    shown = {key: "" if ratio is None else f"{ratio:.3f}" for key, ratio in ratios.items()}
    table.add_row("kqv / plain", shown["seconds"], shown["step_ms"], shown["memory_mb"], "")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
