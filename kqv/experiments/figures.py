"""The figures of an answer: learning curves with bands over the seeds, and attention maps side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kqv.experiments.answer import Answer
from kqv.experiments.curves import curves_of
from kqv.experiments.measures import PERCENT, Measure
from kqv.experiments.question import Panel, Question
from kqv.plots.compared_attention import Maps, comparable, plot_compared_attention
from kqv.plots.curves import Curves, Part, by_measurement, by_variant, plot_curves
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attentions
from kqv.training.run import Run

ENDINGS = (".svg", ".png")


def panels_of(question: Question, measure: Measure) -> tuple[Panel, ...]:
    """What is drawn: what the question says, else the score that decides, and the loss."""
    if question.panels:
        return question.panels
    loss = Panel(title="Loss: validation set, batches (dashed)", keys=("validation_loss", "loss"), unit="nats")
    if measure.name == "loss":
        return (loss,)
    name = measure.name
    unit = "accuracy" if name in PERCENT else Measure(name).unit
    return (Panel(title=Measure(name).title.removesuffix(", %"), keys=(f"validation_{name}",), unit=unit), loss)


def plot_answer(answer: Answer, folder: Path, also: Path | None = None) -> list[Path]:
    """Draw the learning curves into the folder, as SVG and PNG, and `also` into another file."""
    variants = [
        (result.label, [curves_of(Run(path), result.label) for path in result.runs]) for result in answer.results
    ]
    parts = parts_of(panels_of(answer.question, answer.measure), variants)
    if not parts:
        return []
    question = answer.question
    title = question.question or f"{question.system}: {' · '.join(result.label for result in answer.results)}"
    seeds = f" ({question.seeds} seeds: mean, lowest and highest)" if question.seeds > 1 else ""
    written = []
    for path in [*(folder / f"curves{ending}" for ending in ENDINGS), *([] if also is None else [also])]:
        plot_curves(f"{title}{seeds}", parts, path)
        written.append(path)
    return written


def parts_of(panels: Sequence[Panel], variants: Sequence[tuple[str, Sequence[Curves]]]) -> list[Part]:
    """The parts of the figure of variants with their runs; without those for which nothing was measured."""
    found = [part for panel in panels for part in _parts(panel, variants)]
    return [part for part in found if any(line.epochs for line in part.lines)]


def _parts(panel: Panel, variants: Sequence[tuple[str, Sequence[Curves]]]) -> list[Part]:
    if not panel.each_variant:
        return [by_variant(panel.title, panel.unit, variants, panel.keys, panel.logarithmic)]
    return [
        by_measurement(panel.title, panel.unit, label, trainings, panel.keys[0], panel.logarithmic)
        for label, trainings in variants
    ]


def plot_attentions(traces: dict[str, Trace], folder: Path, title: str = "") -> list[Path]:
    """Draw the attention maps of traces on the same text side by side, as SVG and PNG; nothing where they have none, or
    other ones."""
    models = [Maps(label, attentions(trace)) for label, trace in traces.items()]
    if len(models) < 2 or not comparable(models):
        return []
    written = []
    for ending in ENDINGS:
        path = folder / f"attention{ending}"
        plot_compared_attention(models, path, title)
        written.append(path)
    return written
