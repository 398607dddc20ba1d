"""`kqv compare`: what if? Train the variants of a recipe with the same seeds, and say whether they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Device, Json
from kqv.cli.train_options import Minutes, Plot
from kqv.errors import Error

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A system: digits, gpt, translate. Or a saved question: slow-learning, overfitting, vanishing-gradients, "
        "a file of JSON or TOML, or the folder of a question that was asked before.",
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=A,B,C",
        help="A field of the recipe, by its name (score) or its path (model.score), and its values; the first one is "
        "the baseline, or with a single value the recipe's own. Several make a grid.",
    ),
]
Recipe = Annotated[str | None, typer.Option(help="The recipe that is varied; several, with commas, are compared.")]
Data = Annotated[str | None, typer.Option(help="The data, as in kqv train.")]
Seeds = Annotated[int | None, typer.Option(help="How many seeds each variant is trained with (default: 5).", min=1)]
Steps = Annotated[int | None, typer.Option(help="How many steps each run has.", min=1)]
Score = Annotated[
    str | None,
    typer.Option(help="What decides, of what kqv evaluate says: loss, accuracy, bleu, … (default: the system's own)."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="The question's folder; without it, one in runs/, the same for the same question.", metavar="DIR"
    ),
]


def compare(
    what: What, vary: Vary = None, recipe: Recipe = None, data: Data = None, seeds: Seeds = None, steps: Steps = None,
    minutes: Minutes = None, score: Score = None, out: Out = None, device: Device = "auto", plot: Plot = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train two or more variants of a recipe with the same seeds, and say with an interval whether they differ.

    --minutes is the time of one run; the baseline's speed says how many steps that is for all. Ctrl-C saves everything;
    the same command again, or the folder, resumes it.
    """
    from kqv.cli.compare_display import ComparisonDisplay, show_answer
    from kqv.cli.failures import INTERRUPTED, SIGNALLED, CommandError, Terminated
    from kqv.cli.preparing import TerminalWatcher
    from kqv.cli.training import checkpoint_seconds
    from kqv.experiments.compare import answer_of, ask
    from kqv.experiments.folder import folder_for
    from kqv.experiments.running import run_question
    from kqv.plots.figures import check_ending
    from kqv.systems.fields import split_values
    from kqv.training.stops import Interrupted

    if plot is not None:
        check_ending(plot)
    if steps is not None and minutes is not None:
        raise Error("--steps and --minutes both say how long to train; give one of them")
    varied: dict[str, Any] = {}
    for text in vary or []:
        field, equals, values = text.partition("=")
        if not equals or not values:
            raise Error(f"--vary takes a field and its values, as in --vary score=dot,squared; got {text!r}")
        varied[field.strip()] = split_values(values)
    asked = {
        "vary": varied, "recipes": [] if recipe is None else split_values(recipe), "data": data, "seeds": seeds,
        "steps": steps, "minutes": minutes, "score": score,
    }  # fmt: skip
    question, folder = ask(what, asked, out)
    every = checkpoint_seconds()
    path = folder_for(question, folder).path
    with TerminalWatcher() as watcher:
        try:
            with ComparisonDisplay() as display:
                ran = run_question(
                    question, path, device=device, observer=display, watcher=watcher, checkpoint_seconds=every
                )
        except Interrupted as stop:
            message = f"{stop} of one run, everything is saved in {path}; resume with: kqv compare {path}"
            raise CommandError(message, SIGNALLED + stop.signal) from None
        except (KeyboardInterrupt, Terminated) as stop:
            message = f"stopped; what is saved is kept in {path}; resume with: kqv compare {path}"
            raise CommandError(message, getattr(stop, "status", INTERRUPTED)) from None
        answer = answer_of(ran, watcher, plot)
    if as_json:
        print_json(answer.as_dict())
        return
    show_answer(answer)
