"""The command line: parse, call, print. A user's mistake is one line on standard error, without a traceback."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from kqv.cli import data, runs, tour, trace, train, use
from kqv.errors import Error

app = typer.Typer(
    name="kqv",
    help="From a neural network to GPT, with every number in view.",
    epilog="Example: kqv tour",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("tour", epilog="Example: kqv tour")(tour.tour)
app.add_typer(train.app, name="train")
app.command("evaluate", epilog="Example: kqv evaluate latest")(use.evaluate)
app.command("classify", epilog="Example: kqv classify latest seven.png")(use.classify)
app.command("trace", epilog="Example: kqv trace latest --cell 'grad:layers.0.weight[7,30]'")(trace.trace)
app.command("runs", epilog="Example: kqv runs")(runs.runs)
app.add_typer(data.app, name="data")


def _fail(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(status)


def _out_of_memory(failure: BaseException) -> bool:
    if isinstance(failure, MemoryError) or type(failure).__name__ == "OutOfMemoryError":
        return True
    return isinstance(failure, RuntimeError) and "allocate memory" in str(failure)


def main() -> None:
    """Run the command line; exit status 0 for success, 1 for an error, 2 for words it does not know, 130 for Ctrl-C."""
    try:
        status = app(standalone_mode=False)
    except Error as failure:
        _fail(str(failure), getattr(failure, "status", 1))
    except typer.Abort:
        _fail("stopped", 130)
    except typer.TyperException as failure:
        context = getattr(failure, "ctx", None)
        if not failure.format_message():  # a group without a command: its help is shown already
            sys.exit(failure.exit_code)
        command = context.command_path if context else "kqv"
        _fail(f"{failure.format_message().rstrip('.')}; see: {command} --help", failure.exit_code)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as failure:
        if _out_of_memory(failure):
            _fail("not enough memory; close other programs, or take a smaller recipe or batch", 1)
        raise
    sys.exit(status if isinstance(status, int) else 0)
