"""`kqv evaluate` and `kqv classify`: what a trained model is worth, and what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kqv.cli.options import Device, Json, RunName
from kqv.cli.texts import Best
from kqv.errors import Error

if TYPE_CHECKING:
    from rich.table import Table

    from kqv.data.pictures import Step
    from kqv.evaluation import DigitScores
    from kqv.models.recogniser import Verdict
    from kqv.training.run import Run

Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Picture files: PNG, JPEG and others.")]
OtherData = Annotated[str | None, typer.Option("--data", help="Other data of the same classes, in place of the run's.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a figure: PNG, SVG or PDF.")]
Steps = Annotated[bool, typer.Option("--steps", help="Show how each picture is brought into the digits' form.")]
Split = Annotated[Literal["test", "validation", "train"], typer.Option(help="Which part of the data to score.")]


def evaluate(
    run: RunName, data: OtherData = None, split: Split = "test", best: Best = False, plot: Plot = None,
    device: Device = "auto", as_json: Json = False,
) -> None:  # fmt: skip
    """Score a run on what it never saw: accuracy and which classes it takes for which; of a GPT loss and perplexity."""
    from kqv.training.run import Run

    found = Run.find(run)
    if found.recipe.system == "gpt":
        if plot is not None:
            raise Error("--plot draws what a digit recogniser mistakes; a gpt run has no such figure")
        from kqv.cli.evaluate_text import evaluate_text

        evaluate_text(found, data, split, device, as_json, best)
        return
    _check_plot(plot)
    evaluate_digits(found, data, split, plot, device, as_json, best)


def evaluate_digits(
    found: Run, data: str | None, split: str, plot: Path | None, device: str, as_json: bool, best: bool = False
) -> None:  # fmt: skip
    """Score a digit recogniser on a whole set of pictures; `best`: with the weights of its lowest validation loss."""
    from kqv.cli.pictures import load_digits_with_progress
    from kqv.evaluation import score_pictures
    from kqv.training.devices import choose_device
    from kqv.training.digits import digits_recipe_of, limited, load_network
    from kqv.training.digits_task import vectors_of

    chosen = choose_device(device)
    model = load_network(found, best).to(chosen)
    recipe = digits_recipe_of(found)
    pictures = load_digits_with_progress(data or recipe.data.name)
    if data is None:
        pictures = limited(pictures, recipe)
    if pictures.classes != model.classes:
        raise Error(
            f"{found.path} knows the classes {', '.join(model.classes)}; the data has {', '.join(pictures.classes)}: "
            "give data with the same classes"
        )
    part = getattr(pictures, split)
    if len(part) == 0:
        raise Error(f"the data has no {split} pictures")
    scores = score_pictures(model, *vectors_of(model, part, chosen))
    if plot is not None:
        from kqv.evaluation import first_layer_pictures
        from kqv.plots.evaluation import Evaluated, plot_evaluation

        title = f"{found.path} on {pictures.name}, {split}"
        weights = first_layer_pictures(model, pictures.shape)
        plot_evaluation(Evaluated(title, model.classes, part.pixels, part.labels, scores, weights), plot)
    if as_json:
        content = {
            "run": str(found.path), "data": pictures.name, "split": split, "pictures": scores.pictures,
            "accuracy": scores.accuracy, "loss": scores.loss, "confusion": scores.confusion.tolist(),
        }  # fmt: skip
        sys.stdout.write(json.dumps(content) + "\n")
        return
    from rich.markup import escape

    from kqv.cli.console import console

    console.print(
        f"{escape(str(found.path))} on {escape(pictures.name)}, {split}: [bold]{100 * scores.accuracy:.2f} %[/] right "
        f"({scores.correct:,} of {scores.pictures:,}), loss {scores.loss:.4f}"
    )
    table = confusion_table(scores, model.classes)
    if console.measure(table, options=console.options.update_width(10_000)).maximum <= console.width:
        console.print(table)
    else:
        console.print(most_confused(scores, model.classes), markup=False)
    if plot is not None:
        console.print(f"figure written to {escape(str(plot))}")


def confusion_table(scores: DigitScores, classes: tuple[str, ...]) -> Table:
    """A table of what was said for what: rows are the right classes, columns what the model said."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="rows: what it is · columns: what the model says", title_style="dim", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in classes:
        table.add_column(escape(name), justify="right", no_wrap=True)
    table.add_column("right", justify="right", style="dim", no_wrap=True)
    for true, name in enumerate(classes):
        row = scores.confusion[true]
        cells = [
            f"[bold green]{count}[/]" if said == true else f"[red]{count}[/]" if count else "[dim]·[/]"
            for said, count in enumerate(row.tolist())
        ]
        total = int(row.sum())
        table.add_row(f"[bold]{escape(name)}[/]", *cells, f"{100 * int(row[true]) / total:.1f} %" if total else "")
    return table


def most_confused(scores: DigitScores, classes: tuple[str, ...], most: int = 10) -> str:
    """The commonest mistakes as lines, for more classes than a table has room for."""
    pairs = [
        (int(scores.confusion[true, said]), f"{classes[true]} taken for {classes[said]}")
        for true in range(len(classes))
        for said in range(len(classes))
        if said != true and scores.confusion[true, said]
    ]
    lines = [f"  {count:>5} × {what}" for count, what in sorted(pairs, key=lambda pair: -pair[0])[:most]]
    return "\n".join(["the commonest mistakes:", *lines]) if lines else "no mistakes"


def classify(
    run: RunName, pictures: Pictures, steps: Steps = False, plot: Plot = None, device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say which class each picture shows, and how sure the model is."""
    import numpy as np
    import torch

    from kqv.data.pictures import prepare_steps
    from kqv.training.devices import choose_device
    from kqv.training.digits import load_network
    from kqv.training.run import Run

    _check_plot(plot)
    if plot is not None and len(pictures) > 1:
        raise Error(f"--plot draws the steps of one picture; got {len(pictures)} pictures: give one at a time")
    found = Run.find(run)
    chosen = choose_device(device)
    model = load_network(found).to(chosen)
    shape = (found.classes["rows"], found.classes["columns"])
    prepared = [prepare_steps(_picture_file(path), shape) for path in pictures]
    last = np.stack([one[-1].picture for one in prepared])
    verdicts = model.classify(torch.from_numpy(last).to(chosen))
    if plot is not None:
        from kqv.plots.pictures import plot_steps

        title = f"{pictures[0].name}: {verdicts[0].label} ({100 * verdicts[0].confidence:.1f} %)"
        plot_steps([(step.name, step.picture, step.why) for step in prepared[0]], title, plot)
    if as_json:
        said = [_as_json(path, verdict, model.classes) for path, verdict in zip(pictures, verdicts, strict=True)]
        sys.stdout.write(json.dumps({"run": str(found.path), "pictures": said}) + "\n")
        return
    for path, one, verdict in zip(pictures, prepared, verdicts, strict=True):
        _say(path, one, verdict, model.classes, steps=steps, drawing=len(pictures) == 1)
    if plot is not None:
        from rich.markup import escape

        from kqv.cli.console import console

        console.print(f"figure written to {escape(str(plot))}")


def _say(
    path: Path, steps_made: tuple[Step, ...], verdict: Verdict, classes: tuple[str, ...], *, steps: bool, drawing: bool
) -> None:
    """The verdict on one picture in a line, before it the steps or after it what the model saw."""
    from rich.markup import escape

    from kqv.cli.console import console
    from kqv.cli.drawing import drawn, reduced

    if steps:
        for number, step in enumerate(steps_made, start=1):
            rows, columns = step.picture.shape
            console.print(f"[bold]{number} {step.name}[/], {rows}×{columns}: {step.why}", highlight=False)
            console.print(drawn(reduced(step.picture)), markup=False, highlight=False)
    best = sorted(range(len(verdict.shares)), key=lambda place: -verdict.shares[place])[1:3]
    others = ", ".join(f"{escape(classes[place])} {100 * verdict.shares[place]:.1f} %" for place in best)
    label = f"[bold]{escape(verdict.label)}[/] ({100 * verdict.confidence:.1f} %; then {others})"
    console.print(f"{escape(str(path))}: {label}")
    if drawing and not steps:
        console.print(drawn(steps_made[-1].picture), markup=False)


def _check_plot(plot: Path | None) -> None:
    if plot is not None:
        from kqv.plots.figures import check_ending

        check_ending(plot)


def _picture_file(path: Path) -> Path:
    if path.is_dir():
        raise Error(f"{path} is a folder; give the picture files in it, as in {path}/*.png")
    return path


def _as_json(path: Path, verdict: Verdict, classes: tuple[str, ...]) -> dict[str, Any]:
    shares = dict(zip(classes, verdict.shares, strict=True))
    return {"picture": str(path), "class": verdict.label, "confidence": verdict.confidence, "shares": shares}
