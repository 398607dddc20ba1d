"""`kqv tour`: a few minutes from a handwritten digit to a GPT that writes, with embedded data alone."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Literal

import typer

Stage = Annotated[Literal["digits", "gpt"] | None, typer.Argument(help="Run one stage only: digits or gpt.")]
STAGES = {"digits": "kqv.cli.tour_digits", "gpt": "kqv.cli.tour_gpt"}
"""The module whose `stage` shows each part, in their order; imported when its turn comes."""


def tour(stage: Stage = None) -> None:
    """See a network learn handwritten digits and a GPT learn to write, and look inside; needs no internet."""
    for module in STAGES.values() if stage is None else [STAGES[stage]]:
        import_module(module).stage()
