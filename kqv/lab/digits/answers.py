"""What the page gets of a lesson: a header for JSON, and the recorded tensors behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kqv.errors import TraceError
from kqv.lab.digits.code import stages_of
from kqv.lab.digits.layers import LayerView, layers_of, probabilities_name
from kqv.lab.digits.lesson import Lesson, Said, usual_rate
from kqv.systems.digits.trained import digits_recipe_of
from kqv.tensors import learned_count
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.views.described import finite

Numbers = npt.NDArray[np.float32]


def introduction(lesson: Lesson) -> dict[str, Any]:
    """The network of a lesson, before it was shown anything."""
    plan, recipe = lesson.run.recipe.training, digits_recipe_of(lesson.run)
    return {
        "run": str(lesson.run.path), "recipe": recipe.name, "data": recipe.data.name,
        "network": lesson.trained.describe(), "classes": list(lesson.trained.classes), "shape": list(lesson.shape),
        "parameters": learned_count(lesson.trained),
        "cost": lesson.trained.cost, "output": lesson.trained.output, "rate": usual_rate(lesson),
        "optimizer": plan.optimizer,
    }  # fmt: skip


def pass_answer(lesson: Lesson, trace: Trace) -> tuple[dict[str, Any], list[Numbers]]:
    """One pass: the steps of the picture, the layers, the verdict and the code; with each tensor that the page draws,
    forward and, where the trace went back, the gradients of the layers' z, which are their errors δ."""
    layers = layers_of(lesson.model, trace, lesson.shape)
    header: dict[str, Any] = {
        "layers": [asdict(layer) for layer in layers],
        "probabilities": probabilities_name(lesson.model, layers),
        "label": lesson.label,
        "number": None if lesson.prepared is None else lesson.prepared.number,
        "cost": finite(float(trace["cost"].value)) if "cost" in trace else None,
        "history": [said_answer(said) for said in lesson.history],
        "code": {stage: [where._asdict() for where in lines] for stage, lines in stages_of(trace, layers).items()},
        "updated": bool(trace.updates),
    }  # fmt: skip
    header["steps"], arrays = _steps(lesson)
    described, values = _tensors(trace, layers, header["probabilities"])
    header["tensors"] = described
    return header, arrays + values


def said_answer(said: Said) -> dict[str, Any]:
    """What the network said, for JSON."""
    cost = None if said.cost is None else finite(said.cost)
    return {"probabilities": [finite(each) for each in said.probabilities], "position": said.position, "cost": cost}


def _steps(lesson: Lesson) -> tuple[list[dict[str, Any]], list[Numbers]]:
    steps = () if lesson.prepared is None else lesson.prepared.steps
    described = [{"name": step.name, "why": step.why, "sizes": list(step.picture.shape)} for step in steps]
    return described, [step.picture.astype(np.float32) for step in steps]


def _tensors(trace: Trace, layers: list[LayerView], probabilities: str) -> tuple[list[dict[str, Any]], list[Numbers]]:
    described, values = [], []
    for name, phase in _drawn(trace, layers, probabilities):
        record = trace[name]
        found = tensor_of(record, phase)
        described.append(
            {"name": name, "phase": phase, "symbol": record.symbol, "dimensions": list(record.dimensions),
             "sizes": list(found.shape)}
        )  # fmt: skip
        values.append(as_numbers(found))
    return described, values


def _drawn(trace: Trace, layers: list[LayerView], probabilities: str) -> Iterator[tuple[str, str]]:
    """Names and phases of what every pass sends; weights are asked for one by one."""
    yield "x", "forward"
    backward = "cost" in trace
    for layer in layers:
        for name in (layer.z, layer.a):
            if name is not None:
                yield name, "forward"
                if backward:
                    yield name, "backward"
    if probabilities not in {layer.a for layer in layers}:
        yield probabilities, "forward"


def tensor_of(record: TensorRecord, phase: str) -> Tensor:
    """A recorded tensor's value or gradient; `TraceError` where it has none."""
    found = record.value if phase == "forward" else record.gradient
    if found is None:
        raise TraceError(f"{record.name} has no gradient: choose first which digit it is")
    return found


def as_numbers(tensor: Tensor) -> Numbers:
    """A tensor as the page reads it."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype="<f4")


def tensor_answer(trace: Trace, name: str, phase: str) -> tuple[dict[str, Any], list[Numbers]]:
    """All numbers of one tensor: its value, its gradient, or what the step made of it."""
    if phase == "update":
        if name not in trace.updates:
            raise TraceError(f"there is no update of {name}: take a step of learning first")
        found = trace.updates[name].after
    else:
        found = tensor_of(trace[name], phase)
    record = trace[name]
    header = {
        "name": name, "phase": phase, "symbol": record.symbol, "dimensions": list(record.dimensions),
        "sizes": list(found.shape),
    }  # fmt: skip
    return header, [as_numbers(found)]
