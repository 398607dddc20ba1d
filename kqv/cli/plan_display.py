"""How `kqv plan` shows a forecast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from kqv.cli.console import console, shown
from kqv.memory import own_memory
from kqv.planning.advice import REPEATED, TOKENS_PER_PARAMETER, Spent, best_use
from kqv.planning.forecast import Forecast
from kqv.planning.hardware import GPU, LAUNCH, UTILISATION

UNITS = ("", "thousand", "million", "billion", "trillion")
TIMES = ((365.25 * 86_400, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
HERE = "this machine"


def show(plan: Forecast, gpus: Sequence[GPU], hours: float | None) -> None:
    """Print it: parameters, memory, operations, time, advice."""
    console.print(f"[bold]{shown(plan.title)}[/] · {plan.system}, {_examples(plan)}")
    console.print(f"\n[bold]{plan.parameters:,} parameters[/]")
    console.print(_rows(_parts(plan)))
    console.print(f"\n[bold]{_bytes(plan.step.memory.whole)} of memory for a step[/]")
    console.print(_rows(_memory(plan)))
    if plan.process is not None:
        console.print(f"  Its process holds {_bytes(plan.process)} here, with Python and its libraries.")
    each = f"{_flops(plan.step.flops / plan.size)} for each of {plan.size:,} {plan.unit}"
    in_all = f"; {_flops(plan.step.flops * plan.steps)} in {plan.steps:,} steps" if plan.steps else ""
    console.print(f"\n[bold]{_flops(plan.step.flops)} a step[/], {each}{in_all}")
    console.print("\n[bold]Time[/]")
    console.print(_times(plan, gpus))
    if hours is not None and plan.writes:
        console.print(f"\n[bold]What {hours:g} h are best spent on[/]")
        console.print(_best_uses(plan, gpus, hours))
    for line in _notes(plan):
        console.print(f"\n{line}")


def _examples(plan: Forecast) -> str:
    numbers = f"products in {plan.precision}" if plan.precision != "float32" else plan.precision
    whole = f", of {plan.examples:,.0f} in {shown(plan.data)}" if plan.examples else ""
    return f"{plan.size:,} {plan.unit} a step{whole}, {numbers}"


def _parts(plan: Forecast) -> Iterator[tuple[str, str, str]]:
    for name, count in plan.parts.items():
        yield name, f"{count:,}", f"{100 * count / plan.parameters:.1f} %"


def _memory(plan: Forecast) -> Iterator[tuple[str, str, str]]:
    names = {"optimizer": "the optimizer's own", "data": "data"}
    for name, size in asdict(plan.step.memory).items():
        if size:
            yield names.get(name, name), _bytes(size), f"{100 * size / plan.step.memory.whole:.1f} %"


def _rows(rows: Iterator[tuple[str, str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    for name, number, part in rows:
        table.add_row(f"  {name}", number, part)
    return table


def _times(plan: Forecast, gpus: Sequence[GPU]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    whole = f"{plan.steps:,} steps" if plan.steps else f"{_count(_enough(plan))} tokens" if plan.writes else ""
    for title in ("a step", f"{plan.unit} a second", whole, "memory"):
        table.add_column(title, justify="right", no_wrap=True)
    memory = own_memory()
    if plan.pace is not None:
        step = plan.pace.step
        table.add_row(
            f"  {HERE}, measured", time_in_words(step), _count(plan.size / step), _whole(plan, step),
            "" if memory is None else _fitting(plan.step.memory.whole, memory),
        )  # fmt: skip
    for gpu in gpus:
        step = plan.seconds_of_step_on(gpu)
        table.add_row(
            f"  {gpu.title}", time_in_words(step), _count(plan.size / step), _whole(plan, step),
            _fitting(plan.step.memory.whole, gpu.memory),
        )  # fmt: skip
    return table


def _fitting(size: float, room: float) -> str:
    return f"{_bytes(size)} of {_bytes(room)}" if size <= room else f"more than its {_bytes(room)}"


def _whole(plan: Forecast, step: float) -> str:
    if plan.steps is None:
        return time_in_words(step * _enough(plan) / plan.size) if plan.writes else ""
    own = plan.pace is not None and step == plan.pace.step
    seconds = plan.seconds if own else plan.steps * step
    assert seconds is not None
    return time_in_words(seconds)


def _notes(plan: Forecast) -> Iterator[str]:
    yield (
        f"The GPUs' times are estimates: {100 * UTILISATION:.0f} % of the peak that their maker states for bfloat16, "
        f"and at least {1e6 * LAUNCH:.0f} µs for each operation of PyTorch."
    )
    if plan.pace is None:
        yield f"Not measured on this machine: {plan.why_not_measured}."
    if not plan.writes:
        return
    yield from _on_size(plan)


def _on_size(plan: Forecast) -> Iterator[str]:
    """What the laws of scaling say of model, text and length."""
    enough = _enough(plan)
    if plan.steps is None:
        yield (
            f"A model of {_count(plan.parameters)} parameters is best trained on about {_count(enough)} tokens, "
            f"{TOKENS_PER_PARAMETER} for each (Hoffmann et al. 2022)."
        )
        return
    tokens, best = plan.steps * plan.size, best_use(plan.step.flops * plan.steps)
    yield (
        f"It sees {_count(tokens)} tokens, {tokens / plan.parameters:.2g} for each parameter. The same computation is "
        f"best spent on {_count(best.parameters)} parameters and {_count(best.tokens)} tokens (Hoffmann et al. 2022, "
        "measured on models from 70 million parameters)."
    )
    if plan.examples and tokens > REPEATED * plan.examples:
        yield (
            f"Each token is seen {tokens / plan.examples:.1f} times; beyond about {REPEATED} times new text would give "
            "more (Muennighoff et al. 2023)."
        )


def _best_uses(plan: Forecast, gpus: Sequence[GPU], hours: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("operations", "parameters", "tokens"):
        table.add_column(title, justify="right", no_wrap=True)
    for title, rate in _rates(plan, gpus):
        best = best_use(rate * 3600 * hours)
        table.add_row(f"  {title}", _flops(best.flops), _count(best.parameters), _count(best.tokens))
    return table


def _rates(plan: Forecast, gpus: Sequence[GPU]) -> Iterator[tuple[str, float]]:
    """Operations a second, by machine."""
    if plan.pace is not None:
        yield HERE, plan.step.flops / plan.pace.step
    for gpu in gpus:
        yield gpu.title, gpu.flops * UTILISATION


def _enough(plan: Forecast) -> float:
    return TOKENS_PER_PARAMETER * plan.parameters


def as_dict(plan: Forecast, gpus: Sequence[GPU], hours: float | None) -> dict[str, Any]:
    """As `--json` prints it: bytes, operations, seconds."""
    content = asdict(plan) | {"parameters": plan.parameters, "seconds": plan.seconds}
    content["step"]["memory"]["whole"] = plan.step.memory.whole
    content["machine_memory"] = own_memory()
    content["gpus"] = {
        gpu.title: {
            "seconds_of_step": plan.seconds_of_step_on(gpu), "fits": plan.step.memory.whole <= gpu.memory,
            "memory": gpu.memory,
        }
        for gpu in gpus
    }  # fmt: skip
    if plan.writes and hours is not None:
        spent: dict[str, Spent] = {title: best_use(rate * 3600 * hours) for title, rate in _rates(plan, gpus)}
        content["best_use"] = {title: asdict(one) for title, one in spent.items()}
    return content


def time_in_words(seconds: float) -> str:
    """A time in the largest unit that leaves a number of at least 1, such as `3.4 min`."""
    size, unit = next(((size, unit) for size, unit in TIMES if seconds >= size), TIMES[-1])
    number = seconds / size
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def _count(number: float) -> str:
    """A large count in words: `1.2 million`."""
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000, power + 1
    text = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{text} {UNITS[power]}".strip()


def _bytes(size: float) -> str:
    return _with_prefix(size, "B")


def _flops(number: float) -> str:
    return _with_prefix(number, "FLOPs")


def _with_prefix(number: float, unit: str) -> str:
    prefixes = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
    power = 0
    while number >= 999.5 and power < len(prefixes) - 1:
        number, power = number / 1000, power + 1
    return f"{number:,.0f} {prefixes[power]}{unit}" if number >= 100 else f"{number:.3g} {prefixes[power]}{unit}"
