"""Where the traces of two variants part: on the same input, the first tensor by depth in which they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.recording import unseen
from kqv.systems.source import run_source
from kqv.systems.system import System, TraceAsked, Watcher
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace
from kqv.training.run import Run

EQUAL = 1e-5
"""What rounding may do: differences up to this fraction of the largest number are none."""


@dataclass(frozen=True)
class Distance:
    """How far a tensor of the variant is from the baseline's: ‖variant − baseline‖ / ‖baseline‖."""

    tensor: str
    relative: float


@dataclass(frozen=True)
class Parting:
    """The first tensor that differs, with its dimensions, and its formula in both; and how far tensors lie apart by
    depth. `only_in`: where one alone has the tensor. `tensor` is None where nothing differs."""

    tensor: str | None
    shape: str
    formulas: tuple[str, str]
    only_in: str | None
    distances: tuple[Distance, ...]

    def text(self) -> str:
        """In words: where they part, by how much, and how far apart the pass ends."""
        if self.tensor is None:
            return "nowhere: all tensors are equal"
        last = self.distances[-1] if self.distances else None
        end = "" if last is None or last.tensor == self.tensor else f"; at the end {last.tensor} {_by(last.relative)}"
        if self.only_in is not None:
            return f"at {self.tensor}{self.shape}, which {self.only_in} alone has{end}"
        return f"at {self.tensor}{self.shape}, which differs {_by(self.distances[0].relative)}{self._formulas()}{end}"

    def _formulas(self) -> str:
        ours, theirs = self.formulas
        return f" ({ours}; here {theirs})" if ours and theirs and ours != theirs else ""


def _by(fraction: float) -> str:
    if not math.isfinite(fraction):
        return "in its shape"
    return f"by {100 * fraction:.2g} %" if fraction < 0.995 else f"by {100 * fraction:,.0f} %"


def trace_of(system: System, run: Run, watcher: Watcher) -> Trace | None:
    """A run's trace on the input that its system takes by itself, the same for all runs on the same data; None where it
    cannot be traced."""
    try:
        return system.trace(run_source(run), TraceAsked(), watcher).trace
    except Error:
        return None


def parting(baseline: Trace, variant: Trace, labels: tuple[str, str]) -> Parting:
    """Where two traces part; tensors in the order in which the pass met them."""
    ours, theirs = (_activations(trace) for trace in (baseline, variant))
    distances, first, only_in = [], None, None
    with unseen():
        for name, record in theirs.items():
            if name not in ours:
                first, only_in = (first, only_in) if first else (record, labels[1])
                continue
            distance = _distance(ours[name], record)
            if distance is None or distance > EQUAL:
                first = first or record
                distances.append(Distance(name, float("inf") if distance is None else distance))
    missing = next((name for name in ours if name not in theirs), None)
    if missing is not None and (first is None or _is_before(missing, first.name, list(ours))):
        first, only_in = ours[missing], labels[0]
    if first is None:
        return Parting(None, "", ("", ""), None, ())
    formulas = tuple(found[first.name].formula if first.name in found else "" for found in (ours, theirs))
    return Parting(first.name, first.shape_text, (formulas[0], formulas[1]), only_in, tuple(distances))


def _activations(trace: Trace) -> dict[str, TensorRecord]:
    """The tensors that the forward pass made; the cost and other single numbers are none of them."""
    return {
        record.name: record
        for record in trace.tensors
        if record.kind == "activation" and record.tensor.is_floating_point() and record.sizes
    }


def _is_before(name: str, other: str, order: list[str]) -> bool:
    return other not in order or order.index(name) < order.index(other)


def _distance(one: TensorRecord, other: TensorRecord) -> float | None:
    """How far two tensors lie apart; None for other shapes, or where something changed one since."""
    a, b = one.readable_value, other.readable_value
    if a is None or b is None or a.shape != b.shape:
        return None
    a, b = _finite(a), _finite(b)
    length = float(a.norm())
    apart = float((a - b).norm())
    return apart / length if length else apart and 1.0


def _finite(tensor: Tensor) -> Tensor:
    """As float64; −∞, which masks write, as 0."""
    return torch.nan_to_num(tensor.detach().double().cpu(), nan=0.0, posinf=0.0, neginf=0.0)
