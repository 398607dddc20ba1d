"""Options of every `kqv train` command."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

Out = Annotated[Path | None, typer.Option(help="The run's directory; without one, a new one in runs/.", metavar="DIR")]
Resume = Annotated[
    str | None,
    typer.Option(help="Go on with this run where it stopped; with more --steps also if finished.", metavar="RUN"),
]
From = Annotated[
    str | None, typer.Option("--from", help="Start from this run's weights, with its recipe.", metavar="RUN")
]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and chance.", min=0)]
Steps = Annotated[
    int | None, typer.Option(help="How many steps in all; the learning rate's schedule spans them.", min=1)
]


def _a_time(minutes: float | None) -> float | None:
    if minutes is not None and not 0 < minutes < math.inf:  # a range of typer's lets through what is no number
        raise typer.BadParameter("give a number above 0")
    return minutes


Minutes = Annotated[
    float | None, typer.Option(help="How many minutes; sets the steps by the measured speed.", callback=_a_time)
]
Plot = Annotated[
    Path | None, typer.Option(help="Draw the learning curves into this file: .png, .svg or .pdf.", metavar="FILE")
]
Precision = Annotated[
    Literal["float32", "bfloat16", "float16"] | None,
    typer.Option(help="Numbers of the matrix products; float32 unless the recipe says otherwise, float16 on GPUs."),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the model first (needs a C++ compiler); pays in long trainings.")
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write the measurements for TensorBoard too, into RUN/tensorboard.")
]
