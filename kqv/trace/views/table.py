"""A whole trace as a table for a terminal: module by module, in the order of execution, parameters apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from kqv.trace.records import TensorRecord
from kqv.trace.views.folding import alike, block_of, in_words
from kqv.trace.views.summary import Summary, short
from kqv.trace.views.text import labelled, spread, terminal_width, wrapped
from kqv.visible import visible

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


def trace_table(trace: Trace, width: int | None, modules: Sequence[str] | None = None, fold: bool = False) -> str:
    """Every tensor in two or three lines: name and dimensions, how it was made and where, and its numbers.

    `fold`: of blocks that are alike, such as blocks.0 to blocks.3, the first stands for all.
    """
    width = terminal_width(width)
    records = [r for r in trace.tensors if modules is None or r.path.startswith(tuple(modules))]
    folded = alike(records) if fold else {}
    parameters = [record for record in records if record.kind != "activation" and not record.name.count("#")]
    activations = [record for record in records if record.kind == "activation"]
    told: set[str] = set()
    lines = [_title(trace, len(activations), parameters), ""]
    for path, members in groupby(activations, key=lambda record: record.path):
        block = block_of(path)
        if block in folded:
            if folded[block] not in told:
                lines += [in_words(folded, folded[block]), ""]
            told.add(folded[block])
            continue
        lines += [
            path or "around the model",
            *(line for record in members for line in _activation(trace, record, width)),
            "",
        ]
    shown = [record for record in parameters if block_of(record.name) not in folded]
    if shown:
        lines += ["parameters", *(line for record in shown for line in _parameter(trace, record, width))]
    if len(shown) < len(parameters):
        lines += [f"and {len(parameters) - len(shown)} of the blocks that are not shown"]
    return visible("\n".join(line.rstrip() for line in lines).rstrip(), keep="\n")


def _title(trace: Trace, activations: int, parameters: list[TensorRecord]) -> str:
    model = "operations" if trace.model is None else type(trace.model).__name__
    count = sum(record.tensor.numel() for record in parameters)
    mode = "training mode" if trace.training else "evaluation mode"
    return f"{model} · {activations} tensors · {count:,} parameters · {mode}"


def own_name(record: TensorRecord) -> str:
    """The name without the module's."""
    return record.name.removeprefix(f"{record.path}.") if record.path else record.name


def _activation(trace: Trace, record: TensorRecord, width: int) -> Iterator[str]:
    symbol = f"  {record.symbol}" if record.symbol else ""
    yield from (
        f"  {line}"
        for line in spread(f"{own_name(record)} {record.shape_text}{symbol}", numbers_text(record), width - 2)
    )
    made = (record.formula and f"{record.origin}: {record.formula}") or record.origin
    for line in wrapped(made, width - 6, "    "):
        yield f"      {line}"
    where = str(record.location)
    if record.named_at.file and record.named_at != record.location:
        where = f"{where}, named at {record.named_at}" if where else str(record.named_at)
    meaning = trace.meanings.texts.get(record.name, "")
    words = ", ".join(f"“{word}”" for word in trace.meanings.elements.get(record.name, ())[:12])
    for text in filter(None, [where, record.aliases and f"also {', '.join(record.aliases)}", meaning, words]):
        for line in wrapped(str(text), width - 6, "    "):
            yield f"      {line}"


def _parameter(trace: Trace, record: TensorRecord, width: int) -> Iterator[str]:
    symbol = f"  {record.symbol}" if record.symbol else ""
    numbers = numbers_text(record)
    update = trace.updates.get(record.name)
    if update is not None:
        numbers += f" · step rms {_rms(Summary.of(update.after - update.before))}"
    yield from (f"  {line}" for line in spread(f"{record.name} {record.shape_text}{symbol}", numbers, width - 2))
    if record.aliases:
        yield from labelled("also", ", ".join(record.aliases), width, 6)


def numbers_text(record: TensorRecord) -> str:
    """The summary of the value, and the size of the gradient."""
    value, gradient = record.readable_value, record.readable_gradient
    text = "changed in place since" if value is None else Summary.of(value).text()
    return text if gradient is None else f"{text} · ∂ rms {_rms(Summary.of(gradient))}"


def _rms(summary: Summary) -> str:
    return "–" if summary.rms is None else short(summary.rms)
