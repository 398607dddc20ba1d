"""`kqv mcp` as a process, asked by the package's own client; and what an agent cannot reach."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import kqv
from kqv.agent.reach import Reach
from kqv.agent.tools import Tools
from kqv.data.text.corpora import load_text
from kqv.errors import Error
from kqv.experiments.folder import Folder
from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.training.plans import TrainingPlan

pytest.importorskip("mcp", reason="the package mcp is not installed")

from mcp import Client, StdioServerParameters

TEXT = "The cat sat on the mat and it purred.\n" * 60
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and a comparison that has an answer."""
    here = tmp_path_factory.mktemp("agent")
    (here / "text.txt").write_text(TEXT, encoding="utf-8")
    recipe = GPTRecipe(
        name="gpt", model=Architecture(blocks=1, heads=2, width=16, context=32),
        data=TextPlan(name=str(here / "text.txt")), training=TrainingPlan(learning_rate=1e-2, batch=4, steps=3),
    )  # fmt: skip
    _, trainer = start(recipe, load_text(here / "text.txt"), here / "runs" / "cat", torch.device("cpu"))
    trainer.train()
    (here / "runs" / "compare-gpt").mkdir()
    Folder(here / "runs" / "compare-gpt").keep_answer({"score": "loss", "variants": [{"mean": float(2)}]})
    return here


@pytest.fixture
def tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.chdir(folder)
    return Tools(Reach(Path("runs")))


def test_an_agent_asks_over_standard_input_and_output(folder: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "kqv", "mcp"], cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    async def asked() -> dict[str, Any]:
        async with Client(command) as client:
            found: dict[str, Any] = {"tools": {one.name: one for one in (await client.list_tools()).tools}}
            found["runs"] = await client.call_tool("runs", {})
            cells = ["blocks.0.attention.scores[0,1,5,2]"]
            found["cell"] = await client.call_tool("cell", {"model": "cat", "input": "The cat sat", "cells": cells})
            found["wrong"] = await client.call_tool("trace", {"model": "/etc/passwd"})
            found["comparison"] = await client.call_tool("comparison", {"folder": "compare-gpt"})
            return found

    found = asyncio.run(asked())
    assert set(found["tools"]) == {"runs", "trace", "cell", "why", "comparison"}
    assert all(one.description and "\n" not in one.description for one in found["tools"].values())
    assert set(found["tools"]["cell"].input_schema["required"]) == {"model", "cells"}
    assert [one["run"] for one in found["runs"].structured_content["runs"]] == ["runs/cat"]
    value = found["cell"].structured_content["cells"][0]["value"]
    assert value == kqv_cell(folder, "The cat sat", "blocks.0.attention.scores[0,1,5,2]")["value"]
    assert found["wrong"].is_error
    assert "there is no model '/etc/passwd' here; there are: cat" in found["wrong"].content[0].text
    assert "\n" not in found["wrong"].content[0].text
    assert found["comparison"].structured_content["score"] == "loss"


@pytest.mark.skipif(os.name == "nt", reason="Windows breaks pipes otherwise")
def test_where_nobody_reads_the_answers_it_ends_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with os.fdopen(writing, "wb") as broken:
        ended = subprocess.run(
            [sys.executable, "-m", "kqv", "mcp"], input=json.dumps(hello).encode() + b"\n", stdout=broken,
            stderr=subprocess.PIPE, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, timeout=120,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr.decode()) == (0, "")


def kqv_cell(folder: Path, text: str, cell: str) -> dict[str, Any]:
    """What `kqv trace --json` says of a cell."""
    from kqv.systems.source import find_model
    from kqv.systems.system import TraceAsked, Watcher, kind_named

    source = find_model(folder / "runs" / "cat")
    return kind_named("gpt").trace(source, TraceAsked(text), Watcher()).trace.cell(cell).as_dict()


def test_a_trace_is_cut_to_what_is_wanted(tools: Tools) -> None:
    found = tools.trace("latest", "The cat sat", tensors="blocks.0.attention", most=3)
    assert len(found["tensors"]) == 3 < found["of"]
    assert all(one["name"].startswith("blocks.0.attention") for one in found["tensors"])
    assert tools.trace("cat", "The cat sat", word="a#1")["attention"]
    with pytest.raises(Error, match="no tensor's name begins with 'nothing'"):
        tools.trace("cat", "The cat sat", tensors="nothing")


def test_why_is_split_as_by_python(tools: Tools, folder: Path) -> None:
    why = kqv.load(folder / "runs" / "cat", "gpt").why("The cat")
    assert tools.why("cat", "The cat")["split"] == why.token().as_dict()
    found = tools.why("cat", "The cat", strongest=["c", "T"])
    assert found["split"] == why.score(why.strongest("c", "T")[0].cell).as_dict()
    changed = tools.why("cat", "The cat", without=["block 0 head 1"])["changed"]
    assert changed["before"] != changed["after"]
    with pytest.raises(Error, match="two words"):
        tools.why("cat", "The cat", strongest=["c"])


@pytest.mark.parametrize("name", ["", "..", "../runs/cat", "runs", "text.txt", "\0", "x" * 5000, "smollm2"])
def test_no_other_model_is_opened(tools: Tools, name: str) -> None:
    with pytest.raises(Error, match="there is no model"):
        tools.trace(name)


@pytest.mark.parametrize("name", ["..", "../..", "/", "/etc", "cat/../..", "nothing"])
def test_no_other_folder_is_opened(tools: Tools, name: str) -> None:
    with pytest.raises(Error, match=r"has no folder|has no answer yet"):
        tools.comparison(name)


def test_no_file_outside_of_the_current_folder_is_read(tools: Tools) -> None:
    with pytest.raises(Error, match="only files in there are read"):
        tools.trace("cat", "/etc/passwd")
