"""Encoders as a kind of model: loading, vectors of texts, what a trace has, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_encoders import WORDS, encoder_folder

import kqv
from kqv.errors import DataError, Error, RunError
from kqv.systems.encoder.loaded import LoadedEncoder
from kqv.systems.encoder.traced import trace_pieces
from kqv.systems.source import find_model
from kqv.systems.system import (
    OTHER_KINDS,
    SYSTEMS,
    EvaluationAsked,
    System,
    TraceAsked,
    Traced,
    Watcher,
    kind_named,
    system_named,
)
from kqv.trace.views.attention import attended, attentions

TEXT = "The pizza came out of the oven and it tasted good."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    encoder_folder(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def loaded(folder: Path) -> LoadedEncoder:
    return kqv.load(folder, "encoder")


def traced(folder: Path, like: str | None = None) -> Traced:
    source = find_model(folder)
    return kind_named(source.system).trace(source, TraceAsked(TEXT, like=like), Watcher())


def test_vectors_do_not_depend_on_what_they_are_computed_with(loaded: LoadedEncoder) -> None:
    texts = [TEXT, "the oven was hot", "it"]
    together = loaded.vectors(texts)
    assert together.shape == (3, 24)
    assert torch.allclose(together.norm(dim=-1), torch.ones(3))
    for row, text in enumerate(texts):
        assert torch.allclose(loaded.vectors([text])[0], together[row], atol=1e-5)
    with pytest.raises(DataError, match="got none"):
        loaded.vectors([])
    with pytest.raises(Error, match="at most 48 tokens"):
        loaded.vectors(["it " * 47])


def test_a_word_attends_in_both_directions(folder: Path) -> None:
    found = attended(traced(folder).trace, "it")
    words = {row.word for row in found.rows}
    assert {"pizza", "oven", "tasted", "good", "[CLS]", "[SEP]"} <= words
    assert len({(row.attention.module, row.head) for row in found.rows}) == 8
    for attention in attentions(traced(folder).trace):
        assert torch.allclose(attention.weights.sum(-1), torch.ones(()), atol=1e-5)


def test_a_word_of_several_pieces_is_one_word(folder: Path) -> None:
    source = find_model(folder)
    trace = kind_named(source.system).trace(source, TraceAsked("The ovens tasted good."), Watcher()).trace
    found = attended(trace, "ovens")
    assert list(found.tokens) == [2, 3]
    assert {"ovens", "tasted"} <= {row.word for row in attended(trace, "good").rows}


def test_a_named_model_is_fetched_as_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {path.name: path for path in folder.iterdir()}
    monkeypatch.setattr("kqv.systems.source.fetch", lambda name, progress: files if name == "minilm" else {})
    assert find_model("minilm", "encoder").path == folder
    (tmp_path / "other").mkdir()
    files["config.json"] = files["config.json"].rename(tmp_path / "other" / "config.json")
    with pytest.raises(Error, match=f"the files of minilm are in {folder} and {tmp_path / 'other'}"):
        find_model("minilm")


def test_without_another_text_nothing_is_traced_back(folder: Path) -> None:
    found = traced(folder)
    assert "no loss to trace back from: --like TEXT" in found.heading.replace("\n", " ")
    assert "similarity" not in found.trace
    with pytest.raises(Error, match="gradient"):
        found.trace.cell("grad:tokens.weight[5,3]")


def test_another_text_gives_a_similarity_and_its_gradients(folder: Path, loaded: LoadedEncoder) -> None:
    other = "The oven was hot to the touch!"
    found = traced(folder, other)
    a, b = loaded.vectors([TEXT, other])
    assert found.trace["similarity"].value.item() == pytest.approx(float(a @ b), abs=1e-5)
    assert f"{float(a @ b):.4f}" in found.heading
    assert all(record.gradient is not None for record in found.trace if record.kind == "parameter")


@pytest.mark.parametrize(
    "cell",
    [
        "similarity[0,0]", "unit_vector[0,3]", "sentence_vector[0,3]", "hidden[0,2,3]",
        "blocks.1.attention.weights[0,1,2,9]", "embedded[0,2,3]", "type_vectors[0,2,3]",
        "grad:unit_vector[0,3]", "grad:hidden[0,2,3]",
        "grad:blocks.0.attention.scores[0,1,2,9]", "grad:types.weight[0,3]", "grad:embedding_norm.weight[3]",
    ],
)  # fmt: skip
def test_any_number_comes_with_its_arithmetic(cell: str, folder: Path) -> None:
    explanation = traced(folder, "it was hot").trace.cell(cell)
    assert explanation.difference <= explanation.tolerance


def test_positions_and_ids_have_their_words(folder: Path) -> None:
    trace = traced(folder).trace
    assert trace.meaning("blocks.0.attention.weights[0,1,9,2]") == "query “␣it”, key “␣pizza”"
    assert trace.meaning("ids[0,2]") == "“pizza”"
    assert trace.meaning(f"tokens.weight[{WORDS.index('pizza')},0]") == "vocab “pizza”"


def test_the_second_text_of_a_pair_is_traced_with_its_type(loaded: LoadedEncoder) -> None:
    pieces = loaded.tokenizer.encode("the oven", "it")
    trace = trace_pieces(loaded.model, pieces)
    assert trace["types"].value.tolist() == [[0, 0, 0, 0, 1, 1]]
    vectors = loaded.model.types.weight[trace["types"].value]
    assert torch.equal(trace["type_vectors"].value, vectors)


def test_what_an_encoder_cannot_is_said(folder: Path) -> None:
    source = find_model(folder)
    kind = kind_named(source.system)
    with pytest.raises(Error, match="it predicts nothing, so there is nothing to score"):
        kind.evaluate(source, EvaluationAsked(), Watcher())
    with pytest.raises(Error, match="leave out --best"):
        kind.load(source, True)
    with pytest.raises(Error, match="say which text to trace"):
        kind.trace(source, TraceAsked(), Watcher())
    with pytest.raises(Error, match="--label says what a picture shows"):
        kind.trace(source, TraceAsked(TEXT, label="3"), Watcher())
    for system in SYSTEMS:
        with pytest.raises(RunError, match="an encoder, which reads text and writes none; this needs one of"):
            find_model(folder, system)


def test_a_gpt_is_no_encoder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(RunError, match="is a gpt model; this needs one of encoder"):
        find_model(tmp_path, "encoder")


def test_kinds_that_are_not_trained_are_no_systems() -> None:
    for name in OTHER_KINDS:
        assert kind_named(name).name == name
        assert not isinstance(kind_named(name), System)
        with pytest.raises(Error, match="there is no system"):
            system_named(name)
    assert all(kind_named(name) is system_named(name) for name in SYSTEMS)
