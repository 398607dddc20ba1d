"""How long a whole training step of kqv's GPT takes, against the same model from PyTorch's own layers.

    python benchmarks/gpt_step.py                      # the sizes of nanoGPT's CPU flags
    python benchmarks/gpt_step.py --model 384 --blocks 6 --heads 6 --context 256 --json

A step is forward, backward, fused AdamW and setting the gradients to None. Both models take the same weights and the
same batches; their steps alternate, and each pair's order changes, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_gpt import PlainGPT, plain_loss
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.operations import cross_entropy

Step = Callable[[], float]


def training_step(
    model: nn.Module, loss_of: Callable[[Tensor, Tensor], Tensor], ids: Tensor, targets: Tensor, compiled: bool = False
) -> Step:
    """A function that trains `model` by one step and returns the loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)

    def forward(ids: Tensor, targets: Tensor) -> Tensor:
        return loss_of(model(ids), targets)

    run = torch.compile(forward, fullgraph=True) if compiled else forward

    def step() -> float:
        loss = run(ids, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def measure(steps: dict[str, Step], repetitions: int, warm_up: int) -> dict[str, dict[str, list[float]]]:
    """Wall and processor milliseconds of each step, `repetitions` of them, in pairs whose order alternates."""
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "processor": []} for name in steps}
    for repetition in range(-warm_up, repetitions):
        for name in list(steps)[:: 1 if repetition % 2 else -1]:
            wall, processor = time.perf_counter(), time.process_time()
            steps[name]()
            elapsed = time.perf_counter() - wall, time.process_time() - processor
            if repetition >= 0:
                found[name]["wall"].append(1e3 * elapsed[0])
                found[name]["processor"].append(1e3 * elapsed[1])
    return found


def paired_ratio(ours: list[float], plain: list[float]) -> float:
    """Median of the pairs' ratios: a disturbance that meets one pair moves it less than it moves the medians."""
    return statistics.median(a / b for a, b in zip(ours, plain, strict=True))


def main(
    model: Annotated[int, typer.Option(help="Numbers for each token between the layers.")] = 128,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    blocks: Annotated[int, typer.Option(help="Blocks of attention and feed-forward.")] = 4,
    context: Annotated[int, typer.Option(help="Tokens of one text.")] = 64,
    batch: Annotated[int, typer.Option(help="Texts of one step.")] = 12,
    vocab: Annotated[int, typer.Option(help="Tokens of the vocabulary.")] = 65,
    bias: Annotated[bool, typer.Option(help="Biases in linear maps and norms.")] = False,
    written_out: Annotated[bool, typer.Option(help="Attention as separate operations.")] = False,
    compiled: Annotated[bool, typer.Option(help="Both models and their losses through torch.compile.")] = False,
    repetitions: Annotated[int, typer.Option(help="Measured pairs of steps.")] = 200,
    warm_up: Annotated[int, typer.Option(help="Pairs before the measured ones.")] = 20,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch; 0: as many as it chooses.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Time a training step of kqv's GPT and of the same model in plain PyTorch, side by side."""
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    ours = GPT(vocab, Architecture(context, model, heads, blocks, bias), written_out)
    plain = PlainGPT(vocab, context, model, heads, blocks, bias)
    plain.load_state_dict(ours.state_dict())
    text = torch.randint(0, vocab, (batch, context + 1))
    ids, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()
    found = measure(
        {
            "kqv": training_step(ours, cross_entropy, ids, targets),
            "plain": training_step(plain, plain_loss, ids, targets),
        },
        repetitions,
        warm_up,
    )
    result = {
        "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repetitions": repetitions,
        **{f"{name}_{clock}_ms": statistics.median(t) for name, clocks in found.items() for clock, t in clocks.items()},
        **{
            f"ratio_{clock}": paired_ratio(found["kqv"][clock], found["plain"][clock])
            for clock in ("wall", "processor")
        },
    }
    if as_json:
        print(json.dumps(result))
        return
    table = Table(title=f"one training step, median of {repetitions} pairs, {result['threads']} threads")
    for column in ("clock", "kqv", "plain PyTorch", "kqv / plain"):
        table.add_column(column, justify="left" if column == "clock" else "right")
    for clock in ("wall", "processor"):
        milliseconds = (f"{result[f'{name}_{clock}_ms']:.2f} ms" for name in ("kqv", "plain"))
        table.add_row(clock, *milliseconds, f"{result[f'ratio_{clock}']:.3f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
