"""A traced sum column by column: its digits, the carries, and what the model writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv.data.sums import SIGNS, Pairs, answer_at, numbers_of
from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.cells import Phase
from kqv.trace.shapes import shapes_of
from kqv.trace.trace import Trace


def columns(trace: Trace) -> dict[str, Any]:
    """The sum as it is read and written, and each of its columns, the ones first.

    `position`: of the token after which the model says the column's digit. Raises `TraceError` for a trace of another
    kind of model.
    """
    if "ids" not in trace or "verdict" not in trace or trace["logits"].sizes[-1] != len(SIGNS):
        raise TraceError("this is no trace of an adder; trace a sum with a run of kqv train adder")
    with unseen():
        ids = trace["ids"].value[0].tolist()
        said = trace["verdict"].value[0].tolist()
        digits = len(said) - 1
        begin = answer_at(digits)
        probabilities = torch.softmax(trace["logits"].value[0, begin - 1 :].double(), -1).tolist()
    shapes = shapes_of(trace)
    pair = Pairs(np.array([ids[:digits]]), np.array([ids[digits + 1 : 2 * digits + 1]]))
    right, carries = (part[0].tolist() for part in pair.sums())
    return {
        "digits": digits,
        "first": int(numbers_of(pair.first)[0]),
        "second": int(numbers_of(pair.second)[0]),
        "sum": int(numbers_of(pair.sums()[0])[0]),
        "parameters": shapes.parameters,
        "activations": shapes.activations,
        "read": [SIGNS[token] for token in ids],
        "columns": [
            {
                "first": ids[digit] if digit < digits else None,
                "second": ids[digits + 1 + digit] if digit < digits else None,
                "carry": carries[digit],
                "right": right[digit],
                "said": SIGNS[said[digit]],
                "probabilities": probabilities[digit],
                "position": begin - 1 + digit,
            }
            for digit in range(digits + 1)
        ],
    }


def numbers(trace: Trace, phase: Phase) -> bytes:
    """All numbers of a phase in little-endian float32: tensor after tensor in the trace's order, of those that have
    such, each row by row."""
    with unseen():
        found = [tensor for record in trace.tensors if (tensor := _of(trace, record.name, phase)) is not None]
        return b"".join(tensor.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes() for tensor in found)


def _of(trace: Trace, name: str, phase: Phase) -> Tensor | None:
    if phase == "update":
        update = trace.updates.get(name)
        return None if update is None else update.after
    record = trace[name]
    return record.readable_value if phase == "forward" else record.readable_gradient
