"""`kqv train`: train a system from a recipe, watch it, stop it and resume it."""

from __future__ import annotations

import typer

from kqv.cli.train_adder import adder
from kqv.cli.train_digits import digits
from kqv.cli.train_gpt import gpt
from kqv.cli.train_translate import translate

app = typer.Typer(help="Train a system: digits, translate, gpt, adder.", no_args_is_help=True)
app.command("digits", epilog="Example: kqv train digits --data mnist --out runs/mine")(digits)
app.command("translate", epilog="Example: kqv train translate --recipe multi30k-en-de")(translate)
app.command("gpt", epilog="Example: kqv train gpt --data my-text.txt --minutes 2")(gpt)
app.command("adder", epilog="Example: kqv train adder --recipe adder-3")(adder)
