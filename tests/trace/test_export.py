"""A trace as files, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_gpt import Traced
from torch import nn

from kqv.errors import TraceError
from kqv.operations import linear
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.export import read_json, write_json
from kqv.training.optimizers import MuonOptimizer


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


def test_what_a_killed_export_left_is_removed(
    traced: Traced, tmp_path: Path, abandoned: Callable[[Path, str], Path]
) -> None:
    left, of_another = abandoned(tmp_path, "trace"), abandoned(tmp_path, "other")
    write_json(traced.trace, tmp_path / "trace")
    assert (left.exists(), of_another.exists()) == (False, True)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "trace").stat().st_mode == (tmp_path / "plain").stat().st_mode


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
    with pytest.raises(TraceError, match="not a complete trace"):
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


def test_what_muon_computes_on_the_way_is_written_too(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = nn.ParameterDict({"wide": nn.Parameter(torch.randn(6, 4)), "tall": nn.Parameter(torch.randn(8, 3))})
    with Trace(model) as trace:
        z = linear(linear(torch.randn(2, 4), model["wide"]), torch.randn(8, 6))
        linear(z, model["tall"].T).square().sum().backward()
        trace.step(MuonOptimizer(model.items(), {"wide": (2, 4), "tall": ()}, 0.1, 0.1))
    stored = read_json(write_json(trace, tmp_path / "trace"))
    waiting, told = ["update:wide[1,2]", "update:wide[5,0]", "update:tall[7,1]"], set()
    while waiting:
        cell = trace.read(waiting.pop())
        if str(cell) in told:
            continue
        told.add(str(cell))
        kept = {"update": stored.updates, "backward": stored.gradients, "forward": stored.values}[cell.phase]
        explanation = trace.explain(cell).as_dict()
        assert float(kept[cell.name][cell.index]) == explanation["value"], cell
        waiting += [source["cell"] for part in [explanation, *explanation["parts"]] for source in part["from"]]
    names = {cell.removeprefix("update:").partition("[")[0] for cell in told}
    assert {"wide.x4", "wide.polynomial5_1", "tall.gram1", "tall.velocity"} <= names
