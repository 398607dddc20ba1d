"""A trace as files, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_gpt import Traced
from torch import nn

from kqv.errors import TraceError
from kqv.trace.recorder import note
from kqv.trace.trace import Trace
from kqv.trace.views.export import read_json, write_json


def test_what_is_written_is_read_again(traced: Traced, tmp_path: Path) -> None:
    write_json(traced.trace, tmp_path / "trace")
    stored = read_json(tmp_path / "trace")
    described = {tensor["name"]: tensor for tensor in stored.content["tensors"]}
    assert list(described) == [record.name for record in traced.trace]
    for record in traced.trace:
        tensor = described[record.name]
        assert tensor["dimensions"] == list(record.dimensions)
        assert tensor["sizes"] == list(record.sizes)
        assert tensor["formula"] == record.formula
        assert tensor["location"] == str(record.location)
        value = stored.values[tensor["keys"]["values"]]
        assert value.dtype == record.value.dtype
        assert value.equal(record.value)
        gradient = record.gradient
        assert (tensor["keys"]["gradients"] is None) == (gradient is None)
        if gradient is not None:
            assert stored.gradients[tensor["keys"]["gradients"]].equal(gradient)
        if tensor["keys"]["updates"]:
            assert stored.updates[record.name].equal(traced.trace.updates[record.name].after)
            assert stored.updates[f"{record.name}.velocity"].equal(traced.trace.updates[record.name].state["velocity"])
    assert stored.content["updates"]["norm.weight"]["settings"] == {"rate": 0.1, "mu": 0.9}
    assert "queries" not in stored.content["dimensions"]
    assert stored.content["dimensions"]["query"]


def test_only_json_and_safetensors_are_written(traced: Traced, tmp_path: Path) -> None:
    folder = write_json(traced.trace, tmp_path / "trace")
    assert sorted(path.name for path in folder.iterdir()) == [
        "gradients.safetensors", "trace.json", "updates.safetensors", "values.safetensors",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]
    json.loads((folder / "trace.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_an_earlier_trace_is_replaced_but_nothing_else(traced: Traced, tmp_path: Path) -> None:
    with Trace() as small:
        note("x", torch.ones(2), "in")
    folder = write_json(small, tmp_path / "trace")
    write_json(traced.trace, folder)
    assert len(read_json(folder).content["tensors"]) > 50
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(TraceError, match="not a trace"):
        write_json(small, folder)
    assert (folder / "mine.txt").read_text() == "precious"
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(TraceError, match="not a trace"):
        write_json(small, other)
    (tmp_path / "empty").mkdir()
    write_json(small, tmp_path / "empty")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Trace() as trace:
        note("x", torch.ones(2), "in")
    folder = write_json(trace, tmp_path / "trace")
    before = (folder / "trace.json").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("kqv.trace.views.export.save_file", fail)
    with pytest.raises(OSError, match="full"):
        write_json(trace, folder)
    assert (folder / "trace.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


def test_a_folder_that_is_no_trace_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="not a whole trace"):
        read_json(tmp_path)


def test_odd_tensors_are_written(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.randn(3, 3))
    with Trace(nn.ParameterDict({"weight": weight, "same": weight})) as trace:
        note("turned", weight.T, "out in")
        note("wide", torch.ones(1).expand(4), "hidden")
        note("masked", torch.tensor([0.0, -torch.inf]), "key")
        changed = note("changed", torch.ones(2), "row")
        note("empty", torch.zeros(0), "column")
        note("half", torch.ones(2, dtype=torch.bfloat16), "model")
    changed.add_(1)
    stored = read_json(write_json(trace, tmp_path / "trace"))
    assert stored.values["turned"].equal(weight.T)
    assert stored.values["wide"].tolist() == [1, 1, 1, 1]
    assert stored.values["half"].dtype == torch.bfloat16
    described = {tensor["name"]: tensor for tensor in stored.content["tensors"]}
    assert described["same"]["aliases"] == ["weight"]
    assert described["changed"]["keys"]["values"] is None
    assert described["changed"]["summary"] is None
    assert described["masked"]["summary"]["minus_infinity"] == 1
    assert described["empty"]["summary"]["mean"] is None
