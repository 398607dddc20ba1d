"""Options that several commands share: one name and one meaning everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run: its path, its name in runs/, or 'latest'.")]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run (path, name in runs/, or 'latest'), a folder in Hugging Face's layout, a GGUF file, or a name on "
        "the hub.",
    ),
]
Best = Annotated[
    bool, typer.Option("--best", help="Use the weights with the best validation score, where the recipe keeps them.")
]
Beams = Annotated[
    int | None, typer.Option(help="Beam search: how many translations are continued at a time; 1 is greedy.", min=1)
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        "--length-penalty", help="Divide a translation's log-probability by its length to that power; 0: don't.", min=0
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="RUN", help="Average the probabilities with this run's; may be repeated."),
]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone on standard output.")]
Weights = Annotated[
    str,
    typer.Option(
        help="How a model of usual parts keeps its weights while it writes: float32, float16, bfloat16 or int8. The "
        "smaller ones are less exact (float16 hardly so) and, on x86, about twice as fast.",
    ),
]
