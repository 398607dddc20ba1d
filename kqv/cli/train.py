"""`kqv train`: train a system from a recipe, watch it, stop it and go on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.options import Device, Json
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.training.run import Run

app = typer.Typer(help="Train a system: digits.", no_args_is_help=True, epilog="Example: kqv train digits --data mnist")

Data = Annotated[
    str | None,
    typer.Option(help="digits8x8 (embedded), mnist, or a folder with a folder of pictures for each class."),
]
Recipe = Annotated[str | None, typer.Option(help="digits (default), article or nielsen.")]
Out = Annotated[Path | None, typer.Option(help="The run's directory; default: a new one in runs/.", metavar="DIR")]
Resume = Annotated[str | None, typer.Option(help="Go on with this run where it stopped.", metavar="RUN")]
From = Annotated[str | None, typer.Option("--from", help="Start from this run's weights.", metavar="RUN")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and chance.", min=0)]
Steps = Annotated[int | None, typer.Option(help="How many steps, in place of the recipe's epochs.", min=1)]
Minutes = Annotated[float | None, typer.Option(help="How many minutes; the steps are set from measured speed.", min=0.01)]


@app.command("digits", epilog="Example: kqv train digits --data mnist --out runs/mine")
def digits(
    data: Data = None, recipe: Recipe = None, out: Out = None, resume: Resume = None, from_run: From = None,
    seed: Seed = None, steps: Steps = None, minutes: Minutes = None, device: Device = "auto", as_json: Json = False,
) -> None:  # fmt: skip
    """Train a digit recogniser; without --data on the embedded 8×8 digits."""
    if resume is not None and any(option is not None for option in (data, recipe, out, from_run, seed, minutes)):
        raise Error("--resume goes on with a run as it was begun; only --steps, --device and --json go with it")
    if steps is not None and minutes is not None:
        raise Error("--steps and --minutes both say how long to train; give one of them")

    from kqv.cli.pictures import load_digits_with_progress as load_digits
    from kqv.cli.progress import TrainingDisplay
    from kqv.training import digits as system
    from kqv.training.loop import Interrupted
    from kqv.training.recipes import digits_recipe
    from kqv.training.run import Run, new_path

    chosen = system.choose_device(device)
    display = TrainingDisplay(quiet=as_json)
    if resume is not None:
        run = Run.find(resume)
        trainer = system.go_on(run, load_digits, chosen, steps=steps, listener=display)
        display.heading(run, trainer.task.model, going_on_at=trainer.step)
    else:
        plan = digits_recipe(recipe)
        name = data or plan.data.name
        pictures = load_digits(name)
        changes: dict[str, Any] = {"steps": steps} if steps is not None else {}
        changes |= {"seed": seed} if seed is not None else {}
        plan = plan.model_copy(
            update={
                "data": plan.data.model_copy(update={"name": name}),
                "training": plan.training.model_copy(update=changes),
            }
        )
        run, trainer = system.start(
            plan, pictures, out or new_path(f"digits-{plan.name}"), chosen,
            minutes=minutes, weights_from=from_run, listener=display,
        )  # fmt: skip
        display.heading(run, trainer.task.model, description=pictures.describe())
    try:
        with display:
            result = trainer.train()
    except Interrupted as failure:
        stopped = Error(f"{failure} in {run.path}; go on with: kqv train digits --resume {run.path}")
        stopped.status = 130
        raise stopped from None
    _finish(run, result.step, result.seconds, result.scores, as_json)


def _finish(run: Run, step: int, seconds: float, scores: dict[str, float], as_json: bool) -> None:
    if as_json:
        content = {"run": str(run.path), "steps": step, "seconds": round(seconds, 3)}
        content |= {f"validation_{name}": score for name, score in scores.items()}
        sys.stdout.write(json.dumps(content) + "\n")
        return
    from kqv.cli.console import console

    accuracy = f"validation accuracy {100 * scores['accuracy']:.2f} %, " if scores else ""
    console.print(f"[bold]Trained[/] {step:,} steps in {seconds:.1f} s: {accuracy}saved in [bold]{run.path}[/]")
    console.print(f"  [dim]test it[/]      kqv evaluate {run.path}")
    console.print(f"  [dim]look inside[/]  kqv trace {run.path}")
