"""A loaded model reads a text as `kqv trace` does, and writes as `kqv generate` and `kqv translate` do, while told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import kqv
from kqv.generation.sampling import Sampling
from kqv.systems.source import find_model
from kqv.systems.system import TraceAsked, Watcher, kind_named
from kqv.systems.writing import Writing, Written

pytestmark = pytest.mark.usefixtures("here")
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "sechs": "six", "sieben": "seven"}


@pytest.fixture
def gpt(tmp_path: Path) -> Path:
    text = tmp_path / "text.txt"
    text.write_text("the pizza came out of the oven and it tasted good. " * 40, encoding="utf-8")
    kqv.train(
        "gpt", data=str(text), tokenizer="characters", layers=2, heads=2, width=16, context=64, batch=4, steps=3,
        out=str(tmp_path / "gpt"),
    )  # fmt: skip
    return tmp_path / "gpt"


def test_a_loaded_model_reads_as_the_command_traces(gpt: Path) -> None:
    source = find_model(gpt)
    kind = kind_named(source.system)
    asked = TraceAsked("the pizza")
    assert kind.read is not None
    found = kind.read(source, kind.load(source, False), asked).trace
    expected = kind.trace(source, asked, Watcher()).trace
    assert torch.equal(found["logits"].value, expected["logits"].value)
    assert list(found.updates) == list(expected.updates)


def test_what_is_told_of_a_gpt_is_what_it_generates(gpt: Path) -> None:
    source = find_model(gpt)
    kind, told = kind_named(source.system), list[Written]()
    loaded = kind.load(source, False)
    sampling = Sampling(0.8, top_k=5)
    assert kind.write is not None
    text = kind.write(loaded, "the ", Writing(20, sampling, seed=3), told.append)
    assert text == loaded.generate("the ", 20, sampling=sampling, seed=3)
    assert "".join(piece.added for piece in told) == text
    assert [piece.end for piece in told] == [None] * 19 + ["length"]
    assert all(piece.candidates for piece in told)


def test_a_translation_is_told_while_it_is_searched_for(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{one} zwei\t{two} two\n" for one, two in NUMBERS.items()), encoding="utf-8")
    kqv.train(
        "translate", data=str(pairs), tokenizer="characters", steps=2, layers=1, heads=2, width=16,
        out=str(tmp_path / "pairs"),
    )  # fmt: skip
    source = find_model(tmp_path / "pairs")
    kind, told = kind_named(source.system), list[Written]()
    loaded = kind.load(source, False)
    assert kind.write is not None
    text = kind.write(loaded, "zwei", Writing(), told.append)
    assert text == loaded.translate("zwei") == told[-1].text
    assert told[-1].end is not None
    assert len(told) > 1
