"""How long a training step of kqv's translator takes, against the same model from `torch.nn.Transformer`.

    python benchmarks/translation_step.py                            # the model of multi30k-en-de, AdamW, float32
    python benchmarks/translation_step.py --optimizer muon           # kqv with the optimizer of its recipe
    python benchmarks/translation_step.py --precision bfloat16       # both under autocast
    python benchmarks/translation_step.py --block post-norm --json

A step is forward, backward, optimizer and setting the gradients to None, on a batch of about `--tokens` tokens a side
with padding, label smoothing 0.1, dropout as in the recipe (on embeddings and on what each part adds). Both have the
same weights and batches, and freed memory is kept for both (`kqv.memory`); their steps alternate, and each pair's order
changes. With `--optimizer muon` PyTorch's model keeps AdamW. Times are medians; the ratio is the median of the pairs'
ratios with a 95 % interval.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpt_step import Step, measure
from benchmarks.machine import interval, machine
from benchmarks.plain_translator import PlainTranslator
from kqv.memory import keep_freed_memory
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.translation.recipes import multi30k_en_de
from kqv.systems.translation.task import PADDING, Batch, batch_of
from kqv.training.launch import make_optimizer
from kqv.training.optimizers import Optimizer

SMOOTHING = 0.1

ALIKE = {
    "self_attn.in_proj_": ["attention.query_key_value."], "self_attn.out_proj.": ["attention.projection."],
    "multihead_attn.in_proj_": ["cross_attention.query.", "cross_attention.key_value."],
    "multihead_attn.out_proj.": ["cross_attention.projection."],
    "linear1.": ["feed_forward.widen."], "linear2.": ["feed_forward.narrow."], "norm1.": ["attention_norm."],
}  # fmt: skip
ENDS = {
    "encoder": {"norm2.": ["feed_forward_norm."]},
    "decoder": {"norm2.": ["cross_attention_norm."], "norm3.": ["feed_forward_norm."]},
}


def alike(ours: nn.Module, plain: PlainTranslator) -> Iterator[tuple[list[nn.Parameter], nn.Parameter]]:
    """Each parameter of PyTorch's with those of ours that, one below the other, are the same."""
    own = dict(ours.named_parameters())
    yield [own["tokens.weight"]], plain.table.weight
    for name, parameter in plain.transformer.named_parameters():
        part, _, rest = name.partition(".")
        if rest.startswith("layers."):
            _, number, inner = rest.split(".", 2)
            kind = "weight" if inner.endswith("weight") else "bias"
            names = {**ALIKE, **ENDS[part]}[inner.removesuffix(kind)]
            yield [own[f"{part}.blocks.{number}.{one}{kind}"] for one in names], parameter
        else:
            yield [own[name]], parameter


@torch.no_grad()
def plain_twin(ours: Transformer) -> PlainTranslator:
    """The same model, with the same weights."""
    chosen = ours.architecture
    plain = PlainTranslator(
        ours.vocab, chosen.context, chosen.width, chosen.heads, chosen.hidden or 4 * chosen.width,
        chosen.encoder_blocks, chosen.dropout, chosen.block == "pre-norm",
    )  # fmt: skip
    for own, parameter in alike(ours, plain):
        parameter.copy_(torch.cat(own))
    return plain


def random_batch(vocab: int, tokens: int, longest: int, chance: torch.Generator) -> Batch:
    """Pairs of up to `longest` tokens, as many as fit into `tokens` a side with their padding; most are rather long, as
    where batches are made of like lengths."""
    lengths = torch.randint(max(1, int(0.75 * longest)), longest + 1, (tokens // longest, 2), generator=chance).tolist()
    pairs = [
        tuple(torch.randint(2, vocab, (length,), generator=chance).numpy() for length in sides) for sides in lengths
    ]
    return batch_of(pairs, torch.device("cpu"))  # type: ignore[arg-type]


def our_loss(model: Transformer, batch: Batch) -> Tensor:
    """kqv's."""
    return model.loss(model(batch.source, batch.given, batch.present), batch.targets, PADDING, SMOOTHING)


def plain_loss(model: PlainTranslator, batch: Batch) -> Tensor:
    """PyTorch's, of the same batch."""
    padding = torch.zeros_like(batch.source, dtype=torch.bool) if batch.present is None else ~batch.present
    logits = model(batch.source, batch.given, padding)
    return F.cross_entropy(
        logits.flatten(0, 1), batch.targets.flatten(), ignore_index=PADDING, label_smoothing=SMOOTHING
    )


def training_step(loss_of: Callable[[], Tensor], optimizer: torch.optim.Optimizer | Optimizer, precision: str) -> Step:
    """A function that trains by one step and returns the loss."""

    def scope() -> AbstractContextManager[Any]:
        return nullcontext() if precision == "float32" else torch.autocast("cpu", getattr(torch, precision))

    def step() -> float:
        with scope():
            loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """The same for both."""
    return torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)


def compare(
    architecture: TranslatorArchitecture, vocab: int, tokens: int, longest: int, optimizer: str, precision: str,
    repetitions: int, warm_up: int,
) -> dict[str, Any]:  # fmt: skip
    """Both steps, measured."""
    torch.manual_seed(0)
    ours = Transformer(vocab, None, architecture)
    plain = plain_twin(ours)
    batch = random_batch(vocab, tokens, longest, torch.Generator().manual_seed(0))
    muon = optimizer == "muon"
    chosen = make_optimizer(ours, multi30k_en_de().training) if muon else adamw(ours)
    found = measure(
        {
            "kqv": training_step(lambda: our_loss(ours, batch), chosen, precision),
            "plain": training_step(lambda: plain_loss(plain, batch), adamw(plain), precision),
        },
        repetitions,
        warm_up,
    )
    result: dict[str, Any] = {
        **machine(), "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "optimizer": optimizer, "precision": precision, "batch": list(batch.source.shape), "repetitions": repetitions,
    }  # fmt: skip
    for clock in ("wall", "processor"):
        for name, clocks in found.items():
            result[f"{name}_{clock}_ms"] = statistics.median(clocks[clock])
        ratios = [a / b for a, b in zip(found["kqv"][clock], found["plain"][clock], strict=True)]
        result[f"ratio_{clock}"], result[f"interval_{clock}"] = statistics.median(ratios), interval(ratios)
    return result


def main(
    tokens: Annotated[int, typer.Option(help="Tokens of a batch on each side, padding counted.")] = 4096,
    longest: Annotated[int, typer.Option(help="Tokens of its longest sentence.")] = 27,
    vocab: Annotated[int, typer.Option(help="Tokens of the vocabulary.")] = 4096,
    block: Annotated[Literal["pre-norm", "post-norm"], typer.Option(help="Where the norms stand.")] = "pre-norm",
    optimizer: Annotated[Literal["adamw", "muon"], typer.Option(help="kqv's; PyTorch's model has AdamW.")] = "adamw",
    precision: Annotated[Literal["float32", "bfloat16"], typer.Option(help="Of both.")] = "float32",
    repetitions: Annotated[int, typer.Option(help="Measured pairs of steps.")] = 30,
    warm_up: Annotated[int, typer.Option(help="Pairs before the measured ones.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch; 0: as many as it chooses.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Time a training step of kqv's translator and of the same model in plain PyTorch, side by side."""
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    architecture = replace(multi30k_en_de().model, block=block)
    result = compare(architecture, vocab, tokens, longest, optimizer, precision, repetitions, warm_up)
    if as_json:
        print(json.dumps(result))
        return
    table = Table(
        title=f"one training step, {optimizer}, {precision}, median of {repetitions} pairs",
        caption=f"{result['processor']}, {result['threads']} threads, torch {result['torch']}",
    )
    for column in ("clock", "kqv", "plain PyTorch", "kqv / plain", "95 %"):
        table.add_column(column, justify="left" if column == "clock" else "right")
    for clock in ("wall", "processor"):
        milliseconds = (f"{result[f'{name}_{clock}_ms']:.1f} ms" for name in ("kqv", "plain"))
        low, high = result[f"interval_{clock}"]
        table.add_row(clock, *milliseconds, f"{result[f'ratio_{clock}']:.3f}", f"{low:.3f} to {high:.3f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
