"""Whole trainings of kqv's translator against the plain twin on Multi30k: BLEU on the test set of 2016, and the time.

    python benchmarks/translation_training.py                              # both, once, as long as they take
    python benchmarks/translation_training.py --seeds 3 --minutes 20       # three of each, at most so long each
    python benchmarks/translation_training.py --only twin --accumulate 2   # the published batch, of two GPUs

The twin is `plain_translation.py`: `torch.nn.Transformer`, Adam and allocator as they come, with published flags.
kqv trains by its recipe, then `kqv evaluate` scores it. Each is a process of its own, one after the other, on the same
pairs, with 5 beams, scored by sacrebleu with `--tokenize none` on lowercased, normalised, tokenised text. Seconds of
training are those of the whole training process, with its start, the making of the vocabulary and all validation, but
for the twin without its translating, which is given apart; kqv's translating is the whole of `kqv evaluate`.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpt_training import timed
from benchmarks.machine import machine
from kqv.data.sources import SOURCES, find

TWIN = [sys.executable, str(Path(__file__).resolve().parent / "plain_translation.py")]
KEYS = ("training_seconds", "step_ms", "loss", "bleu", "decoding_seconds")


def data_folder() -> Path:
    """Where Multi30k's files lie. `FileNotFoundError` where they are not on this machine."""
    source = SOURCES["multi30k"]
    found = find(source, source.files[0])
    if found is None:
        raise FileNotFoundError("multi30k is not here; download it with: kqv data fetch multi30k")
    return found.parent


def command(words: list[str]) -> tuple[dict[str, Any], float]:
    """What a command printed, and how many seconds it took in all, with its start."""
    began = time.perf_counter()
    return timed(words), time.perf_counter() - began


def twin(folder: Path, seed: int, minutes: float, accumulate: int, extra: list[str]) -> dict[str, Any]:
    """The plain training."""
    words = [str(folder), "--seed", str(seed), "--minutes", str(minutes), "--accumulate", str(accumulate), *extra]
    return {"name": f"twin, seed {seed}", **timed([*TWIN, *words])}


def ours(recipe: str, seed: int, minutes: float, extra: list[str]) -> dict[str, Any]:
    """`kqv train translate` with a recipe, then `kqv evaluate`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["train", "translate", "--recipe", recipe, "--seed", str(seed), "--out", str(out), "--json", *extra]
        words += ["--minutes", str(minutes)] if minutes else []
        trained, training_seconds = command([sys.executable, "-m", "kqv", *words])
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        scored, decoding_seconds = command([sys.executable, "-m", "kqv", "evaluate", str(out), "--json"])
    losses = [line for line in lines if "loss" in line]
    paces = [1e3 * (b["seconds"] - a["seconds"]) / (b["step"] - a["step"]) for a, b in pairwise(losses)]
    return {
        "name": f"kqv {recipe}, seed {seed}", "training_seconds": training_seconds,
        "step_ms": statistics.median(paces) if paces else None, "loss": trained["validation_loss"],
        "bleu": scored["bleu_tokenised"], "signature": scored["signatures"]["bleu_tokenised"],
        "decoding_seconds": decoding_seconds,
    }  # fmt: skip


def report(result: dict[str, Any]) -> None:
    """A line for each training, and medians."""
    table = Table(
        title="Multi30k, English to German, test 2016", caption=", ".join(map(str, result["machine"].values()))
    )
    for column in ("training", "seconds", "ms a step", "validation loss", "BLEU", "seconds of decoding"):
        table.add_column(column, justify="left" if column == "training" else "right")
    for one in (*result["twin"], *result["kqv"]):
        table.add_row(one["name"], *(shown(one[key]) for key in KEYS))
    for name in ("twin", "kqv"):
        if len(result[name]) > 1:
            medians = (statistics.median(one[key] for one in result[name]) for key in KEYS)
            table.add_row(f"{name}, median", *map(shown, medians))
    Console().print(table)


def shown(number: float | None) -> str:
    """Two digits behind the point."""
    return "" if number is None else f"{number:,.2f}"


def main(
    recipe: Annotated[str, typer.Option(help="A recipe of kqv for Multi30k, English to German.")] = "multi30k-en-de",
    seeds: Annotated[int, typer.Option(min=1, help="So many trainings of each, with seeds from 1.")] = 1,
    minutes: Annotated[float, typer.Option(min=0, help="Minutes of a training at most; 0: no limit.")] = 0.0,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches of an update of the twin.")] = 1,
    only: Annotated[Literal["twin", "kqv"] | None, typer.Option(help="Only one of the two.")] = None,
    updates: Annotated[int | None, typer.Option(min=1, help="Updates of each, to try it out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Train the twin and kqv alternately, and compare."""
    folder = data_folder()
    result: dict[str, Any] = {"machine": machine(), "minutes": minutes, "twin": [], "kqv": []}
    for seed in range(1, seeds + 1):
        if only != "kqv":
            extra = [] if updates is None else ["--updates", str(updates)]
            result["twin"].append(twin(folder, seed, minutes, accumulate, extra))
        if only != "twin":
            extra = [] if updates is None else ["--steps", str(updates)]
            result["kqv"].append(ours(recipe, seed, minutes, extra))
    if as_json:
        print(json.dumps(result))
    else:
        report(result)


if __name__ == "__main__":
    typer.run(main)
