"""How much faster a GPT writes with its key-value cache than without.

    python benchmarks/generation.py                 # 10.7 M weights, 256 tokens with the first
    python benchmarks/generation.py --model 128 --blocks 4 --heads 4

The weights are new ones, which write nonsense as fast as others. Greedy, both ways in turn, medians; both have to write
the same.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from kqv.data.text.characters import Bytes
from kqv.generation.generate import generate
from kqv.generation.predictor import Cached, Predictor, Recomputing
from kqv.generation.sampling import Sampling
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT


def written(predictor: Predictor, tokens: int) -> tuple[float, list[int]]:
    """How many seconds so many tokens after the first take, and which they are."""
    began = time.perf_counter()
    steps = generate(predictor, Bytes(), np.array([10]), tokens, Sampling(temperature=0))
    ids = [step.choice.token for step in steps]
    return time.perf_counter() - began, ids


def main(
    model: Annotated[int, typer.Option(help="Numbers for each token.")] = 384,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 6,
    blocks: Annotated[int, typer.Option(help="Blocks.")] = 6,
    tokens: Annotated[int, typer.Option(help="How many tokens with the first; also the context.")] = 256,
    repetitions: Annotated[int, typer.Option(help="How often each way.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Write with and without the cache, in turn."""
    torch.manual_seed(1)
    network = GPT(Bytes().size, Architecture(tokens, model, heads, blocks, bias=False)).eval()
    times: dict[str, list[float]] = {"cached": [], "recomputing": []}
    for _ in range(repetitions):
        cached, ids = written(Cached(network), tokens - 1)
        recomputing, others = written(Recomputing(network), tokens - 1)
        if ids != others:
            raise SystemExit("the two ways wrote different texts")
        times["cached"].append(cached)
        times["recomputing"].append(recomputing)
    found = {name: statistics.median(values) for name, values in times.items()}
    ratio = statistics.median(b / a for a, b in zip(times["cached"], times["recomputing"], strict=True))
    result = {"tokens": tokens, **{f"{name}_seconds": value for name, value in found.items()}, "times_as_fast": ratio}
    if as_json:
        print(json.dumps(result))
        return
    Console().print(
        f"{tokens} tokens: {found['cached']:.2f} s with the cache ({tokens / found['cached']:.0f} tokens a second), "
        f"{found['recomputing']:.2f} s without: {ratio:.1f} times as fast"
    )


if __name__ == "__main__":
    typer.run(main)
