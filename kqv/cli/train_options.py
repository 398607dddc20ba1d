"""Options of every `kqv train` command."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

Out = Annotated[Path | None, typer.Option(help="The run's folder; without it, a new one in runs/.", metavar="DIR")]
Resume = Annotated[
    str | None,
    typer.Option(help="Resume this run where it stopped; with more --steps, a finished one too.", metavar="RUN"),
]
From = Annotated[
    str | None, typer.Option("--from", help="Start from this run's weights, with its recipe.", metavar="RUN")
]
Seed = Annotated[int | None, typer.Option(help="Random seed: weights, order of the data, dropout.", min=0)]
Steps = Annotated[
    int | None, typer.Option(help="How many steps in total; the learning rate's schedule spans them.", min=1)
]


def _a_time(minutes: float | None) -> float | None:
    if minutes is not None and not 0 < minutes < math.inf:  # a range of typer's lets through what is no number
        raise typer.BadParameter("give a number above 0")
    return minutes


Minutes = Annotated[
    float | None,
    typer.Option(help="How long to train; the number of steps follows from the measured speed.", callback=_a_time),
]
Plot = Annotated[
    Path | None, typer.Option(help="Write the learning curves to this file: .png, .svg or .pdf.", metavar="FILE")
]
Dropout = Annotated[
    float | None,
    typer.Option(help="Dropout: the fraction of activations set to 0 at random in training; 0: none.", min=0, max=0.99),
]
Batch = Annotated[int | None, typer.Option(help="Batch size: how many examples make one step.", min=1)]
LearningRate = Annotated[float | None, typer.Option("--lr", help="The learning rate.")]
Optimizer = Annotated[str | None, typer.Option(help="adamw, muon or gradient-descent, with its usual learning rate.")]
Heads = Annotated[int | None, typer.Option(help="How many attention heads in each block.", min=1)]
Width = Annotated[int | None, typer.Option(help="Width: how many numbers represent a token.", min=1)]
Precision = Annotated[
    Literal["float32", "bfloat16", "float16"] | None,
    typer.Option(help="Precision of the matrix products; float32 unless the recipe says otherwise, float16 on GPUs."),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the model first (needs a C++ compiler); pays off in long trainings.")
]
Shard = Annotated[
    bool,
    typer.Option(
        "--shard",
        help="Of several processes (torchrun), each keeps a part of the model: FSDP, not DDP.",
    ),
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write the measurements for TensorBoard too, into RUN/tensorboard.")
]
