"""How long each operation takes: as it is written by hand, by its kernels, and by PyTorch's own function.

    python benchmarks/operations.py                       # the sizes of a small GPT
    python benchmarks/operations.py --only softmax --only attention --position 256 --json

Times are medians in microseconds of one call in eager mode, forward alone and forward with backward. The three take
turns, and each round changes their order, so that whatever else the machine does meets all of them. PyTorch's dropout
also draws its mask, which the operation is given.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich.box
import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kqv import operations as ours
from kqv.operations import OPERATIONS, Operation

WAYS = ("definition", "kernel", "PyTorch")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a GPT; a feed-forward part is four times as wide as the model."""

    batch: int
    position: int
    model: int
    heads: int
    vocab: int


@dataclass(frozen=True)
class Job:
    """One operation with its inputs, and PyTorch's own function for it (None: it has none)."""

    operation: Operation
    plain: Callable[..., Tensor] | None
    inputs: tuple[Tensor, ...]
    options: dict[str, Any]


def jobs(sizes: Sizes) -> list[Job]:
    """Every operation at the sizes that it has in a GPT."""
    batch, position, model, heads, vocab = sizes.batch, sizes.position, sizes.model, sizes.heads, sizes.vocab
    x, other = torch.randn(batch, position, model), torch.randn(batch, position, model)
    wide = torch.randn(batch, position, 4 * model)
    queries, keys, values = (torch.randn(batch, heads, position, model // heads) for _ in range(3))
    scores = torch.randn(batch, heads, position, position)
    earlier = torch.ones(position, position, dtype=torch.bool).tril()
    logits, targets = torch.randn(batch, position, vocab), torch.randint(vocab, (batch, position))
    weight, bias = torch.randn(4 * model, model), torch.zeros(4 * model)
    gain, shift = torch.ones(model), torch.zeros(model)
    dropped, positions = ours.draw_mask(x, 0.1), torch.arange(position)

    def job(operation: Operation, plain: Callable[..., Tensor] | None, *inputs: Tensor, **options: Any) -> Job:
        return Job(operation, plain, inputs, options)

    return [
        job(ours.linear, F.linear, x, weight, bias),
        job(ours.matmul, torch.matmul, queries, keys.mT),
        job(ours.add, torch.add, x, other),
        job(ours.multiply, torch.mul, x, other),
        job(ours.scale, lambda x, factor: x * factor, scores, factor=0.125),
        job(ours.sigmoid, torch.sigmoid, wide),
        job(ours.tanh, torch.tanh, wide),
        job(ours.relu, torch.relu, wide),
        job(ours.gelu, F.gelu, wide),
        job(ours.gelu_tanh, lambda x: F.gelu(x, approximate="tanh"), wide),
        job(ours.silu, F.silu, wide),
        job(ours.mask, lambda x, allowed: x.masked_fill(~allowed, float("-inf")), scores, earlier),
        job(ours.softmax, lambda x: torch.softmax(x, -1), scores),
        job(ours.attention, partial(F.scaled_dot_product_attention, is_causal=True), queries, keys, values),
        job(ours.layer_norm, lambda x, weight, bias: F.layer_norm(x, weight.shape, weight, bias), x, gain, shift),
        job(ours.rms_norm, lambda x, weight: F.rms_norm(x, weight.shape, weight, 1e-6), x, gain),
        job(ours.dropout, lambda x, mask, probability: F.dropout(x, probability), x, dropped, probability=0.1),
        job(ours.embedding, lambda weight, ids: F.embedding(ids, weight), torch.randn(vocab, model), targets),
        job(ours.sinusoidal, None, positions, model=model),
        job(ours.rotary, None, queries, positions),
        job(ours.squared_error, F.mse_loss, x, other),
        job(
            ours.cross_entropy,
            lambda logits, targets: F.cross_entropy(logits.flatten(0, -2), targets.flatten()),
            logits,
            targets,
        ),
        job(ours.argmax, lambda x: torch.argmax(x, -1), logits),
    ]


def ways_of(job: Job) -> dict[str, Callable[[], Tensor]]:
    """The calls to compare, by the way that they compute."""

    def by(pair: ours.Pair) -> Callable[[], Tensor]:
        def call() -> Tensor:
            with job.operation.replaced(pair):
                return job.operation(*job.inputs, **job.options)

        return call

    found = {"definition": by(job.operation.definition)}
    if job.operation.kernel is not None:
        found["kernel"] = by(job.operation.kernel)
    plain = job.plain
    if plain is not None:
        found["PyTorch"] = lambda: plain(*job.inputs, **job.options)
    return found


def once(call: Callable[[], Tensor], gradient: Tensor | None) -> float:
    """Microseconds of one call; with a gradient also of its way back."""
    with torch.no_grad() if gradient is None else nullcontext():
        start = time.perf_counter()
        output = call()
        if gradient is not None:
            output.backward(gradient)  # type: ignore[no-untyped-call]
        return 1e6 * (time.perf_counter() - start)


def measure(job: Job, repetitions: int, warm_up: int) -> dict[str, dict[str, float]]:
    """Medians by way: forward, and forward with backward where the operation has a gradient."""
    ways = ways_of(job)
    leaves = [tensor for tensor in job.inputs if tensor.is_floating_point()]
    found: dict[str, dict[str, float]] = {way: {} for way in ways}
    for kind in ("forward", "forward and backward") if job.operation.gradients else ("forward",):
        for leaf in leaves:
            leaf.requires_grad_(kind != "forward")
        gradient = None if kind == "forward" else torch.randn_like(next(iter(ways.values()))())
        times: dict[str, list[float]] = {way: [] for way in ways}
        for repetition in range(-warm_up, repetitions):
            for way in list(ways)[:: 1 if repetition % 2 else -1]:
                elapsed = once(ways[way], gradient)
                for leaf in leaves:
                    leaf.grad = None
                if repetition >= 0:
                    times[way].append(elapsed)
        for way, measured in times.items():
            found[way][kind] = statistics.median(measured)
    return found


def show(found: dict[str, dict[str, dict[str, float]]], title: str) -> None:
    """Print the medians as a table."""
    table = Table(title=title, box=rich.box.SIMPLE_HEAD)
    table.add_column("operation")
    for kind in ("forward", "and back"):
        for way in ("by hand", "kernel", "PyTorch"):
            table.add_column(f"{kind}\n{way}", justify="right")
    for name, ways in found.items():
        cells = [
            f"{ways[way][kind]:,.0f}" if kind in ways.get(way, {}) else "–"
            for kind in ("forward", "forward and backward")
            for way in WAYS
        ]
        table.add_row(name, *cells)
    Console().print(table)


def main(
    batch: Annotated[int, typer.Option(help="Texts of one step.")] = 12,
    position: Annotated[int, typer.Option(help="Tokens of one text.")] = 64,
    model: Annotated[int, typer.Option(help="Numbers for each token between the layers.")] = 128,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    vocab: Annotated[int, typer.Option(help="Tokens of the vocabulary.")] = 65,
    only: Annotated[list[str] | None, typer.Option(help="Measure only this operation (may be given again).")] = None,
    repetitions: Annotated[int, typer.Option(help="Measured calls of each way.")] = 200,
    warm_up: Annotated[int, typer.Option(help="Calls before the measured ones.")] = 20,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch; 0: as many as it chooses.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Time every operation against its kernel and PyTorch's own function."""
    unknown = sorted(set(only or ()) - set(OPERATIONS))
    if unknown:
        raise typer.BadParameter(f"no operation named {', '.join(unknown)}; there are: {', '.join(OPERATIONS)}")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    sizes = Sizes(batch, position, model, heads, vocab)
    chosen = [job for job in jobs(sizes) if not only or job.operation.name in only]
    found = {job.operation.name: measure(job, repetitions, warm_up) for job in chosen}
    versions = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if as_json:
        typer.echo(json.dumps({"sizes": vars(sizes), **versions, "microseconds": found}))
    else:
        texts = ", ".join(f"{name} {size}" for name, size in vars(sizes).items())
        show(found, f"µs a call; {texts}; {versions['threads']} threads")


if __name__ == "__main__":
    typer.run(main)
