"""`kqv add`: let a trained adder add two numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Best, Json, RunName

Number = Annotated[str, typer.Argument(metavar="A", help="A whole number, or a sum as 12+34.")]
Other = Annotated[str | None, typer.Argument(metavar="B", help="A whole number.")]


def add(run: RunName, first: Number, second: Other = None, best: Best = False, as_json: Json = False) -> None:
    """Add two numbers with a trained adder, and say whether it is right; the model itself writes every digit."""
    from kqv.cli.console import console
    from kqv.systems.adder.traced import numbers_in
    from kqv.systems.adder.trained import load_adder
    from kqv.training.run import Run

    a, b = numbers_in(first if second is None else f"{first}+{second}")
    answer = load_adder(Run.find(run, "adder"), best).add(a, b)
    if as_json:
        print_json({
            "run": run, "a": a, "b": b, "sum": answer.number, "right": answer.number == answer.right,
            "read": answer.read, "wrote": answer.wrote,
        })  # fmt: skip
        return
    verdict = "" if answer.number == answer.right else f", which is wrong: it is {answer.right}"
    said = "no number" if answer.number is None else str(answer.number)
    console.print(f"{a} + {b} = [bold]{said}[/]{verdict}", highlight=False)
    console.print(f"  [dim]it read {answer.read} and wrote {answer.wrote}: each number with the ones first[/]")
