"""What tracing costs: forward and backward of a four-layer GPT, traced and untraced, in interleaved pairs.

    python benchmarks/trace_cost.py --pairs 30

The untraced pass runs as models do (fused attention); `written out` is the same pass with scores and weights as
tensors of their own, which is what a trace sees, so that the recording's own cost stands apart. Medians over pairs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.operations import cross_entropy
from kqv.trace.trace import Trace


def step_of(model: GPT, ids: torch.Tensor, targets: torch.Tensor) -> Callable[[], None]:
    """Forward and backward of one batch."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        cross_entropy(model(ids), targets).backward()  # type: ignore[no-untyped-call]

    return step


def traced(model: GPT, step: Callable[[], None]) -> Callable[[], None]:
    """The same inside a trace."""

    def run() -> None:
        with Trace(model):
            step()

    return run


def seconds(run: Callable[[], None]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def measure(pairs: int, batch: int, context: int, channels: int) -> dict[str, float]:
    """Medians in milliseconds, and the ratios of each pair's medians."""
    torch.manual_seed(0)
    plain = GPT(65, Architecture(context, channels, 4, 4))
    written = GPT(65, Architecture(context, channels, 4, 4), written_out=True)
    ids, targets = torch.randint(65, (batch, context)), torch.randint(65, (batch, context))
    step = step_of(plain, ids, targets)
    runs = {"untraced": step, "written_out": step_of(written, ids, targets), "traced": traced(plain, step)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for pair in range(pairs + 3):
        for name, run in runs.items():
            taken = seconds(run)
            if pair >= 3:  # the first ones warm up
                times[name].append(taken)
    medians = {f"{name}_ms": 1000 * statistics.median(values) for name, values in times.items()}
    ratios = [a / b for a, b in zip(times["traced"], times["untraced"], strict=True)]
    own = [a / b for a, b in zip(times["traced"], times["written_out"], strict=True)]
    return {**medians, "ratio": statistics.median(ratios), "ratio_to_written_out": statistics.median(own)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.pairs, given.batch, given.context, given.channels)
    if given.json:
        print(json.dumps(found))
        return
    for name in ("untraced", "written_out", "traced"):
        print(f"{name.replace('_', ' '):<12}{found[f'{name}_ms']:8.1f} ms")
    print(f"traced costs {found['ratio']:.2f} × untraced, {found['ratio_to_written_out']:.2f} × written out")


if __name__ == "__main__":
    main()
