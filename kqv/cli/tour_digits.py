"""The tour's first stage: a network learns to read handwritten digits, and one of its numbers is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.table import Table

from kqv.cli.console import console, counted, say_commands
from kqv.cli.drawing import drawn, side_by_side
from kqv.cli.progress import TrainingDisplay
from kqv.cli.tour_display import heading
from kqv.data.digits import DigitData, load_digits
from kqv.models.network import Network
from kqv.systems.digits.recipes import digits
from kqv.systems.digits.start import start
from kqv.systems.digits.traced import as_batch, trace_pictures
from kqv.training.devices import choose_device
from kqv.training.run import Run, new_path

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

SHOWN_DIGITS = 6  # at most; a narrow terminal shows fewer

SHOWN = {
    "pixels": "the picture: bytes",
    "x": "from 0 to 1, in one row",
    "layers.0.weight": "a weight from pixel to neuron",
    "layers.0.z": "pixels times weights, and bias",
    "layers.0.a": "activations: max(0, z)",
    "layers.2.weight": "weights into the last layer",
    "layers.2.z": "one number for each digit",
    "confidence": "probabilities (softmax)",
    "cost": "surprise at the right digit",
}
"""Tensors of the pass that the tour shows, with what they are."""


def stage() -> Run:
    """Train on the embedded digits, score what the network never saw, and explain one number of it."""
    heading("1", "Real handwritten digits")
    data = load_digits(None)
    console.print(f"{data.describe()}.")
    console.print("Each is 8×8 pixels, and each pixel a number from 0 to 255:\n")
    console.print(_row(data, range(SHOWN_DIGITS)), markup=False)

    recipe = digits()
    display = TrainingDisplay()
    run, trainer = start(recipe, data, new_path("tour"), choose_device("cpu"), listener=display)
    model = trainer.task.model
    assert isinstance(model, Network)
    heading("2", "The network, and the shape of everything")
    console.print("Forward, a picture becomes ten numbers; backward, each number learns what it did to the cost.\n")
    _shapes(_traced(model, data, 0))

    heading("3", "Learning")
    console.print(
        f"{trainer.steps:,} steps; each looks at {recipe.training.batch} digits, and moves every weight a little."
    )
    with display:
        result = trainer.train()
    console.print(f"{counted(result.step, 'step')} in {result.seconds:.1f} s.")

    heading("4", "Digits that it never saw")
    wrong = _verdicts(model, data)

    heading("5", "Any number, explained")
    number = wrong[0] if wrong else 0
    trace = _traced(model, data, number)
    console.print(f"One number from the picture above (test picture {number}), and the arithmetic that made it:\n")
    console.print(trace.cell("layers.2.z[0,3]").text(console.width), markup=False)
    console.print("\nAnd how the cost depends on one weight:\n")
    row, column = _liveliest(trace)
    console.print(trace.cell(f"grad:layers.0.weight[{row},{column}]").text(console.width), markup=False)
    _next(run, number)
    return run


def _row(data: DigitData, positions: range | list[int]) -> str:
    pictures = [
        drawn(data.test.pixels[position]) + f"\nis a {data.classes[data.test.labels[position]]}"
        for position in positions
    ]
    return side_by_side(pictures, console.width)


def _traced(model: Network, data: DigitData, number: int) -> Trace:
    picture = torch.from_numpy(data.test.pixels[number])
    return trace_pictures(model, *as_batch(picture, int(data.test.labels[number])))


def _shapes(trace: Trace) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("name", "book", "dimensions", "what it is"):
        table.add_column(title, no_wrap=title == "name")
    for name, meaning in SHOWN.items():
        record = trace[name]
        shape = record.shape_text.replace("[", r"\[")
        table.add_row(name, record.symbol, shape, f"[dim]{meaning}[/]")
    console.print(table)
    console.print("\nThe gradient of each has the same dimensions: one derivative of the cost for each number.")


def _verdicts(model: Network, data: DigitData) -> list[int]:
    """Score the test set, show two pictures that are right and the first ones that are wrong; gives the wrong ones."""
    verdicts = model.classify(torch.from_numpy(data.test.pixels))
    said = np.array([verdict.position for verdict in verdicts])
    wrong = np.flatnonzero(said != data.test.labels).tolist()
    right = len(said) - len(wrong)
    console.print(
        f"[bold]{100 * right / len(said):.1f} %[/] of {len(said)} test digits are recognised ({right} right).\n"
    )
    shown = [position for position in range(len(said)) if position not in wrong][:2] + wrong[:3]
    pictures = []
    for position in shown:
        verdict, truth = verdicts[position], data.classes[data.test.labels[position]]
        mark = "" if verdict.label == truth else f" (is {truth})"
        pictures.append(
            drawn(data.test.pixels[position]) + f"\n{verdict.label}, {100 * verdict.confidence:.0f} %{mark}"
        )
    console.print(side_by_side(pictures, console.width), markup=False)
    return wrong


def _liveliest(trace: Trace) -> tuple[int, int]:
    """The first layer's weight with the largest gradient."""
    gradient = trace["layers.0.weight"].gradient
    assert gradient is not None
    row, column = divmod(int(gradient.abs().argmax()), gradient.shape[1])
    return row, column


def _next(run: Run, number: int) -> None:
    heading("→", "What to try next")
    say_commands({
        f"kqv trace {run.path} {number}": "every tensor of that pass",
        f"kqv trace {run.path} {number} --html trace.html": "the same, to click through",
        f"kqv evaluate {run.path}": "which digits it confuses",
        "kqv train digits --data mnist": "larger digits (fetched once)",
        "kqv train digits --data FOLDER": "your own: a folder for each class",
    })  # fmt: skip
