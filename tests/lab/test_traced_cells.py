"""A trace for a page: its header, its cells in words, and the source that made them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from small_trace import WORDS, trace_of_words

import kqv
from kqv.errors import TraceError
from kqv.lab.traces.cell import cell_for_page, path_for_page
from kqv.lab.traces.code import excerpt
from kqv.lab.traces.header import header
from kqv.lab.traces.kept import Traces
from kqv.lab.traces.tensors import labels_of, summary_of, tensor_of
from kqv.trace.trace import Trace


@pytest.fixture(scope="module")
def trace() -> Trace:
    return trace_of_words().trace


def test_the_header_tells_of_every_tensor_and_is_plain_json(trace: Trace) -> None:
    kept = Traces().record(trace_of_words, about={"model": "small"})
    found = json.loads(json.dumps(header(kept), allow_nan=False))
    assert [tensor["name"] for tensor in found["tensors"]] == [record.name for record in kept.trace.tensors]
    assert (found["about"], found["phases"]) == ({"model": "small"}, ["forward", "backward", "update"])
    weights = next(t for t in found["tensors"] if t["name"] == "blocks.0.attention.weights")
    assert weights["dimensions"] == ["batch", "head", "query", "key"]
    assert "softmax" in weights["origin"]
    assert weights["phases"] == ["forward", "backward"]
    assert found["words"]["query"] == [WORDS[:7]]
    parameter = next(t for t in found["tensors"] if t["name"] == "tokens.weight")
    assert [part["name"] for part in parameter["update tensors"]] == ["gradient", "first_moment", "second_moment"]
    assert found["alike"] == {"blocks.1": "blocks.0"}


def test_every_phase_that_the_header_names_can_be_read(trace: Trace) -> None:
    kept = Traces().record(trace_of_words)
    for tensor in header(kept)["tensors"]:
        for phase in tensor["phases"]:
            found, dimensions = tensor_of(kept.trace, tensor["name"], phase)
            assert list(found.shape) == tensor["sizes"]
            assert list(dimensions) == tensor["dimensions"]
        for part in tensor["update tensors"]:
            found, dimensions = tensor_of(kept.trace, f"{tensor['name']}.{part['name']}", "update")
            assert (list(found.shape), list(dimensions)) == (part["sizes"], part["dimensions"])


def test_a_cell_in_words_with_its_numbers_in_each_phase(trace: Trace) -> None:
    found = cell_for_page(trace, "blocks.0.attention.weights[0,1,it,pizza]")
    assert found["words"] == 'weights[batch 0, head 1, query " it", key " pizza"]'
    value, gradient = trace["blocks.0.attention.weights"].value, trace["blocks.0.attention.weights"].gradient
    assert gradient is not None
    assert found["phases"] == {
        "forward": float(value[0, 1, 5, 1]), "backward": float(gradient[0, 1, 5, 1]), "update": None,
    }  # fmt: skip
    assert found["next"]["cell"].startswith("blocks.0.attention.masked_scores[batch=0, head=1, query=5")
    update = cell_for_page(trace, "update:tokens.weight[3,2]")
    assert update["words"] == 'new tokens.weight[vocab " out", model 2]'
    assert update["phases"]["update"] == update["value"] == float(trace.updates["tokens.weight"].after[3, 2])


def test_random_cells_of_every_tensor_agree_with_their_arithmetic(trace: Trace) -> None:
    chosen = random.Random(1)
    kept = Traces().record(trace_of_words)
    for tensor in header(kept)["tensors"]:
        for phase, prefix in (("forward", ""), ("backward", "grad:"), ("update", "update:")):
            if phase not in tensor["phases"]:
                continue
            index = [chosen.randrange(size) for size in tensor["sizes"]]
            text = f"{prefix}{tensor['name']}" + (f"[{','.join(map(str, index))}]" if index else "")
            found = cell_for_page(kept.trace, text)
            assert found["agrees"], text
            values, _ = tensor_of(kept.trace, tensor["name"], phase)
            assert found["value"] == pytest.approx(float(values[tuple(index)]), abs=0)
            for source in found["from"]:
                assert cell_for_page(kept.trace, source["cell"])["value"] == source["value"]


def test_the_way_back_ends_at_the_input(trace: Trace) -> None:
    way = path_for_page(trace, "blocks.1.attention.weights[0,0,5,1]")
    assert len(way) > 5
    assert way[0]["words"] == 'weights[batch 0, head 0, query " it", key " pizza"]'
    assert way[-1]["heading"] == "given"


def test_a_summary_and_words_of_a_range(trace: Trace) -> None:
    found = summary_of(trace, "logits", "backward")
    gradient = trace["logits"].gradient
    assert gradient is not None
    assert found["maximum"] == float(gradient.max())
    assert labels_of(trace, "logits", "vocab", 2, 4) == WORDS[2:4]
    with pytest.raises(TraceError, match="no dimension 'head'"):
        labels_of(trace, "logits", "head", 0, 1)
    with pytest.raises(TraceError, match="0 to 6"):
        labels_of(trace, "logits", "vocab", 5, 9)


def test_the_code_is_the_function_that_made_a_number(trace: Trace) -> None:
    location = trace["blocks.0.attention.weights"].location
    found = excerpt(location.file, location.line)
    source = (Path(kqv.__file__).parent.parent / location.file).read_text(encoding="utf-8").splitlines()
    assert found.lines == source[found.start - 1 : found.start - 1 + len(found.lines)]
    assert found.lines[0].lstrip().startswith(("def ", "@"))
    assert found.function in "".join(found.lines)
    assert found.start <= location.line < found.start + len(found.lines)
    assert len(excerpt("kqv/errors.py", 1).lines) > 1


@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../pyproject.toml", "kqv/../pyproject.toml", "kqv/py.typed", "", "kqv", "kqv/lab/../errors.py",
     "kqv/errors.py/../../README.md", "kqv//errors.py", "KQV/ERRORS.PY", "kqv/errors.py\x00"],
)  # fmt: skip
def test_no_other_file_can_be_read(file: str) -> None:
    with pytest.raises(TraceError, match="not a file of kqv's own source"):
        excerpt(file, 1)


@pytest.mark.parametrize("line", [0, -1, 10**6])
def test_a_line_that_is_not_there(line: int) -> None:
    with pytest.raises(TraceError, match=r"kqv/errors.py has the lines 1 to \d+"):
        excerpt("kqv/errors.py", line)


def test_no_trace_takes_numbers_that_changed_since() -> None:
    kept = Traces().record(trace_of_words)
    logits = kept.trace["logits"].tensor
    with torch.no_grad():
        logits.add_(1)
    found = next(t for t in header(kept)["tensors"] if t["name"] == "logits")
    assert "forward" not in found["phases"]
