"""The command line: parse, call, print. A user's mistake is one line on standard error, without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from kqv import __version__
from kqv.cli import (
    add,
    compare,
    data,
    export,
    generate,
    lab,
    mcp,
    plan,
    rebuild,
    runs,
    serve,
    tour,
    trace,
    train,
    translate,
    use,
    why,
)
from kqv.cli.console import IS_FIRST, IS_ONE_OF_SEVERAL, notices, open_closed_streams
from kqv.cli.failures import INTERRUPTED, SIGNALLED, CommandError, explained
from kqv.files import require_text
from kqv.visible import visible

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
app.add_typer(train.app, name="train", epilog="Example: kqv train digits --data mnist")
app.command("plan", epilog="Example: kqv plan gpt2-124m --gpu h100")(plan.plan)
app.command("evaluate", epilog="Example: kqv evaluate latest")(use.evaluate)
app.command("classify", epilog="Example: kqv classify latest seven.png")(use.classify)
app.command("generate", epilog="Example: kqv generate latest --prompt 'To be'")(generate.generate)
app.command("translate", epilog="Example: kqv translate latest 'einundzwanzig'")(translate.translate)
app.command("compare", epilog="Example: kqv compare digits --vary activation=sigmoid,relu --seeds 3")(compare.compare)
app.command("add", epilog="Example: kqv add latest 12 34")(add.add)
app.command("export", epilog="Example: kqv export latest --to hugging-face my-model")(export.export)
app.command("trace", epilog="Example: kqv trace latest --cell 'grad:layers.0.weight[7,30]'")(trace.trace)
app.command("why", epilog="Example: kqv why latest 'To be or not to be' --strongest not,be")(why.why)
app.add_typer(rebuild.app, name="rebuild", epilog="Example: kqv rebuild check backprop")
app.command("serve", epilog="Example: kqv serve latest")(serve.serve)
app.command("mcp", epilog="Example: kqv mcp smollm2")(mcp.mcp)
app.command("lab", epilog="Example: kqv lab")(lab.lab)
app.command("runs", epilog="Example: kqv runs")(runs.runs)
app.add_typer(data.app, name="data", epilog="Example: kqv data list")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kqv {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
]


@app.callback()
def start(version: Version = False) -> None:
    """From a neural network to GPT, with every number in view."""


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, with the process' own words unless some are given.

    Exit status 0 for success, 1 for an error, 2 for words it does not know, 130 for Ctrl-C.
    """
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a sign shows "?" in its place
            stream.reconfigure(errors="replace")
    try:
        for word in sys.argv[1:] if words is None else words:
            require_text(word)
        status = app(args=None if words is None else list(words), standalone_mode=False, prog_name="kqv")
        if status == INTERRUPTED:  # typer makes it of a Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()  # a full disk is noticed here, not after the last line of Python
    except typer.TyperException as failure:
        _fail(_misunderstood(failure))
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(0)
    except BaseException as failure:
        known = explained(failure)
        if known is None:
            raise
        _fail(known)
    _leave(status if isinstance(status, int) else 0)


def _leave(status: int) -> NoReturn:
    """End the process; one of several at once, since threads that talk to the others can abort it while Python ends."""
    if IS_ONE_OF_SEVERAL:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _misunderstood(failure: Any) -> CommandError:
    """Words that the command line does not know, or a group without a command, whose help is shown already."""
    message = failure.format_message().rstrip(".")
    if not message:
        sys.exit(failure.exit_code)
    context = getattr(failure, "ctx", None)
    return CommandError(f"{message}; see: {context.command_path if context else 'kqv'} --help", failure.exit_code)


def _fail(failure: CommandError) -> NoReturn:
    stopped = failure.status > SIGNALLED  # who stops it made no mistake
    if IS_FIRST or not stopped:
        beginning = "" if stopped else "error: " if IS_FIRST else f"error in process {os.environ['RANK']}: "
        line = visible(f"{beginning}{' '.join(str(failure).splitlines())}")
        if notices.is_terminal and IS_FIRST:
            notices.print(line, markup=False)
        else:  # one line for who reads it in a log
            notices.file.write(f"{line}\n")
    _let_go_of_full_output()
    _leave(failure.status)


def _let_go_of_full_output() -> None:
    """Python writes what is left in its buffer once more when it ends, and complains once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
