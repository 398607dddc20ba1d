"""`kqv evaluate` and `kqv classify`: what a trained model is worth, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Beams, Best, Device, Json, LengthPenalty, ModelName, RunName, With
from kqv.errors import Error

if TYPE_CHECKING:
    from rich.table import Table

    from kqv.data.pictures import Step
    from kqv.evaluation.pictures import DigitScores, PictureEvaluation
    from kqv.models.recogniser import Verdict

Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Picture files: PNG, JPEG and others.")]
OtherData = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Other data instead of the run's: with the same classes; any text; a set of sentence pairs, a TSV, or two "
        "files with a comma between, which are scored whole.",
    ),
]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a figure: PNG, SVG or PDF.")]
Steps = Annotated[bool, typer.Option("--steps", help="Show how each picture is converted to the network's input.")]
Split = Annotated[Literal["test", "validation", "train"], typer.Option(help="Which split of the data to score.")]


def evaluate(
    model: ModelName, data: OtherData = None, split: Split = "test", best: Best = False, plot: Plot = None,
    beams: Beams = None, length_penalty: LengthPenalty = None, others: With = None, device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Score a model on held-out data: accuracy and confusions of a recogniser; loss and perplexity of a GPT; BLEU, chrF
    and exact matches of a translator, whose translations are saved in the run."""
    from kqv.cli.preparing import TerminalWatcher
    from kqv.systems.source import find_model
    from kqv.systems.system import EvaluationAsked, kind_named

    _check_plot(plot)
    with TerminalWatcher() as watcher:
        source = find_model(model, progress=watcher.downloading)
        kind = kind_named(source.system)
        if not kind.searches and (beams, length_penalty) != (None, None):
            raise Error(f"--beams and --length-penalty are for translators; {source.name} is a {source.system} model")
        if not kind.joins and others:
            raise Error(f"--with averages the probabilities of translators; {source.name} is a {source.system} model")
        asked = EvaluationAsked(data, split, best, device, beams, length_penalty, tuple(others or ()))
        found = kind.evaluate(source, asked, watcher)
    if plot is not None:
        if found.pictures is None:
            raise Error(f"--plot draws the mistakes of a recogniser; a {source.system} model has no such figure")
        from kqv.plots.evaluation import plot_evaluation

        plot_evaluation(found.pictures, plot)
    if as_json:
        print_json({"model": source.name} | ({} if source.run is None else {"run": source.name}) | found.scores)
        return
    from rich.markup import escape

    from kqv.cli.console import console

    console.print(found.sentence, markup=False)
    if found.pictures is not None:
        _print_confusions(found.pictures)
    if plot is not None:
        console.print(f"figure written to {escape(str(plot))}")


def _print_confusions(pictures: PictureEvaluation) -> None:
    """Which class was taken for which; of many classes the commonest mistakes."""
    from kqv.cli.console import console

    table = confusion_table(pictures.scores, pictures.classes)
    if console.measure(table, options=console.options.update_width(10_000)).maximum <= console.width:
        console.print(table)
    else:
        console.print(most_confused(pictures.scores, pictures.classes), markup=False)


def confusion_table(scores: DigitScores, classes: tuple[str, ...]) -> Table:
    """A table of what was said for what: rows are the right classes, columns what the model said."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="rows: true class · columns: predicted class", title_style="dim", box=None, pad_edge=False)
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
        (int(scores.confusion[true, said]), f"{classes[true]} mistaken for {classes[said]}")
        for true in range(len(classes))
        for said in range(len(classes))
        if said != true and scores.confusion[true, said]
    ]
    lines = [f"  {count:>5} × {what}" for count, what in sorted(pairs, key=lambda pair: -pair[0])[:most]]
    return "\n".join(["most common mistakes:", *lines]) if lines else "no mistakes"


def classify(
    run: RunName, pictures: Pictures, steps: Steps = False, plot: Plot = None, device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Classify pictures, and say how confident the model is."""
    import numpy as np
    import torch

    from kqv.data.pictures import prepare_steps
    from kqv.systems.digits.classes import classes_of
    from kqv.systems.digits.trained import load_network
    from kqv.training.devices import choose_device
    from kqv.training.run import Run

    _check_plot(plot)
    if plot is not None and len(pictures) > 1:
        raise Error(f"--plot draws the steps of one picture; got {len(pictures)} pictures: give one at a time")
    found = Run.find(run, "digits")
    chosen = choose_device(device)
    model = load_network(found).to(chosen)
    classes = classes_of(found)
    shape = (classes["rows"], classes["columns"])
    prepared = [prepare_steps(_picture_file(path), shape) for path in pictures]
    last = np.stack([one[-1].picture for one in prepared])
    verdicts = model.classify(torch.from_numpy(last).to(chosen))
    if plot is not None:
        from kqv.plots.pictures import plot_steps

        title = f"{pictures[0].name}: {verdicts[0].label} ({100 * verdicts[0].confidence:.1f} %)"
        plot_steps([(step.name, step.picture, step.why) for step in prepared[0]], title, plot)
    if as_json:
        said = [_as_json(path, verdict, model.classes) for path, verdict in zip(pictures, verdicts, strict=True)]
        print_json({"run": str(found.path), "pictures": said})
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
    best = sorted(range(len(verdict.probabilities)), key=lambda position: -verdict.probabilities[position])[1:3]
    others = ", ".join(
        f"{escape(classes[position])} {100 * verdict.probabilities[position]:.1f} %" for position in best
    )
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
    probabilities = dict(zip(classes, verdict.probabilities, strict=True))
    return {
        "picture": str(path),
        "class": verdict.label,
        "confidence": verdict.confidence,
        "probabilities": probabilities,
    }
