"""`kqv tour`: a few minutes from a handwritten digit over a translation to a GPT, with embedded data alone."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Literal

import typer

Stage = Annotated[
    Literal["digits", "translation", "gpt"] | None,
    typer.Argument(help="Run one stage only: digits, translation or gpt."),
]
STAGES = {
    "digits": "kqv.cli.tour_digits",
    "translation": "kqv.cli.tour_translation",
    "gpt": "kqv.cli.tour_gpt",
}
"""The module whose `stage` shows each part, in their order; imported when its turn comes."""


def tour(stage: Stage = None) -> None:
    """See networks learn to read digits, to translate numbers and to write, and look inside; needs no internet."""
    for module in STAGES.values() if stage is None else [STAGES[stage]]:
        import_module(module).stage()
    from kqv.cli.console import console

    console.print(
        "\nAll of it in the browser, every number to choose, on the models that were just trained:\n  kqv lab"
    )
