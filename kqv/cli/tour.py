"""`kqv tour`: a few minutes from a handwritten digit to a GPT that writes, with embedded data alone."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Stage = Annotated[
    Literal["digits", "gpt"] | None, typer.Argument(help="One stage alone: digits or gpt; without it, all.")
]


def tour(stage: Stage = None) -> None:
    """See a network learn handwritten digits and a GPT learn to write, and look inside; needs no internet."""
    if stage != "gpt":
        from kqv.cli.tour_digits import digits_stage

        digits_stage()
    if stage != "digits":
        from kqv.cli.tour_gpt import gpt_stage

        gpt_stage()
