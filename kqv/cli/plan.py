"""`kqv plan`: what a training will take, before it begins."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Device, Json
from kqv.errors import Error

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A system (gpt), one of its recipes (gpt/shakespeare-best), a run, a model, or a published size: "
        "gpt2-124m, gpt3-175b, llama3-8b, transformer-base, …",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A field of the recipe with another value; may be repeated."),
]
Data = Annotated[str | None, typer.Option(help="The data, as in kqv train.")]
Steps = Annotated[int | None, typer.Option(help="How many steps in total.", min=1)]
GPUs = Annotated[
    list[str] | None,
    typer.Option("--gpu", metavar="NAME", help="Beside this machine: t4, l4, rtx4090, a100, h100, h200, b200."),
]
Hours = Annotated[
    float | None,
    typer.Option(help="Of a language model: which size and text so many hours are best spent on, on each machine."),
]
Measure = Annotated[
    bool, typer.Option("--measure/--no-measure", help="Make a few steps on this machine, and measure them.")
]


def plan(
    what: What, settings: Set = None, data: Data = None, steps: Steps = None, gpu: GPUs = None, hours: Hours = None,
    device: Device = "auto", measure: Measure = True, as_json: Json = False,
) -> None:  # fmt: skip
    """Say what a training will take: parameters by part, memory, operations, time here and on GPUs.

    Nothing is kept of it. What is too large for this machine is planned by its shapes alone.
    """
    from kqv.cli.plan_display import as_dict, show
    from kqv.cli.preparing import TerminalWatcher
    from kqv.planning.forecast import forecast
    from kqv.planning.hardware import USUAL, gpu_named
    from kqv.training.devices import choose_device
    from kqv.training.distributed import Group

    if hours is not None and not 0 < hours < float("inf"):
        raise Error(f"--hours needs a number above 0, got {hours:g}")
    gpus = [gpu_named(name) for name in gpu or USUAL]
    wanted: dict[str, Any] = {}
    for text in settings or []:
        field, equals, value = text.partition("=")
        if not equals or not value:
            raise Error(f"--set takes a field and its value, as in --set width=256; got {text!r}")
        wanted[field.strip()] = value.strip()
    with TerminalWatcher() as watcher:
        group = Group(device=choose_device(device))
        found = forecast(what, group, watcher, settings=wanted, data=data, steps=steps, measure=measure)
    if as_json:
        print_json(as_dict(found, gpus, hours))
        return
    show(found, gpus, hours)
