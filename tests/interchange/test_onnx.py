"""Our models as files of ONNX: valid, and computed by onnxruntime to the same numbers, with the cache step by step."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed (pip install kqv[onnx])")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install kqv[onnx])")

import onnx
from onnx_engine import Engine, session_of
from small_models import OURS, SIZES, TEXT, ours, stirred, tokenizers
from tokenizers import Tokenizer as Library

import kqv
from kqv.errors import Error
from kqv.interchange import onnx_file
from kqv.interchange.onnx import write_gpt, write_recogniser
from kqv.interchange.onnx_attention import NORMALISERS, SCALES, SCORES
from kqv.interchange.onnx_parts import BENDS
from kqv.models.architecture import Architecture
from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.gpt import GPT
from kqv.models.network import Network
from kqv.models.normalisers import NORMALISERS as ALL_NORMALISERS
from kqv.models.scales import SCALES as ALL_SCALES
from kqv.models.scores import SCORES as ALL_SCORES
from kqv.trace.trace import Trace

WORST = 1e-4
STEEP = {"score reciprocal": 1e-3}
"""Where more is allowed: 1/x by x/(x² + 0.01) makes a difference up to a hundred times larger."""

MIXTURES: dict[str, dict[str, Any]] = {
    **{f"score {name}": {"score": name, "key_heads": 2, "positions": "alibi"} for name in SCORES},
    **{f"normaliser {name}": {"normaliser": name, "block": "post-norm", "positions": "sinusoidal"}
       for name in NORMALISERS},
    **{f"{name} inside": {"feed_forward": name, "mask": "window", "window": 3, "positions": "periodic"}
       for name in BENDS},
    "without norms, residuals and positions": {
        "norm": "none", "residual": "none", "positions": "none", "scale": "learned", "key_heads": 2,
    },
}  # fmt: skip


def model_of(name: str, vocab: int) -> GPT:
    return ours(vocab, name) if name in OURS else stirred(GPT(vocab, Architecture(**SIZES, **MIXTURES[name])))


def numbers(model: GPT, batch: int, length: int) -> torch.Tensor:
    return torch.randint(model.vocab, (batch, length), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Writes a model with characters and gives the file."""

    def write(model: GPT, name: str = "model.onnx") -> Path:
        write_gpt(model, tokenizers()["characters"], tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", [*OURS, *MIXTURES])
@torch.no_grad()
def test_logits_are_the_same_whole_and_step_by_step(name: str, written: Any) -> None:
    model = model_of(name, tokenizers()["characters"].size)
    file = written(model)
    onnx.checker.check_model(str(file), full_check=True)
    engine, worst = Engine(file), STEEP.get(name, WORST)
    for batch, length in ((2, 20), (1, 1), (3, model.context)):  # sizes that each call chooses
        ids = numbers(model, batch, length)
        expected = model(ids).numpy()
        assert float(np.abs(expected).max()) > 0.5
        np.testing.assert_allclose(engine.logits(ids), expected, atol=worst, rtol=0)
    steps = engine.logits(ids, [5, 1, 1, model.context - 7])
    np.testing.assert_allclose(steps, expected, atol=worst, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "qwen3, grouped, own head", "score cosine", "normaliser sigmoid"])
@torch.no_grad()
def test_padding_before_a_text_changes_nothing(name: str, written: Any) -> None:
    model = model_of(name, tokenizers()["characters"].size)
    engine, ids = Engine(written(model)), numbers(model, 2, 12).numpy()
    padded, mask = np.pad(ids, ((0, 0), (4, 0))), np.ones((2, 16), np.int64)
    mask[0, :4] = 0
    first, cache = engine.advance(padded[:, :9], mask[:, :9], engine.begin(2))
    second, _ = engine.advance(padded[:, 9:], mask, cache)
    found = np.concatenate((first, second), 1)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, 4:], model(torch.from_numpy(ids[:1]))[0].numpy(), atol=WORST, rtol=0)
    np.testing.assert_allclose(found[1], model(torch.from_numpy(padded[1:]))[0].numpy(), atol=WORST, rtol=0)


def test_all_parts_are_written() -> None:
    for parts, forms in [
        (ALL_SCORES, SCORES), (ALL_SCALES, SCALES), (ALL_NORMALISERS, NORMALISERS), (FEED_FORWARD, BENDS),
    ]:  # fmt: skip
        assert set(parts) == set(forms)


def test_names_are_those_that_tools_know(written: Any) -> None:
    """Of Optimum's exporter, which transformers.js and ONNX Runtime GenAI read."""
    model = ours(tokenizers()["characters"].size, "llama, grouped and tied")
    session = session_of(written(model))
    inputs, outputs = ({it.name: it.shape for it in ports} for ports in (session.get_inputs(), session.get_outputs()))
    sides = [f"{block}.{part}" for block in (0, 1) for part in ("key", "value")]
    assert list(inputs) == ["input_ids", "attention_mask", *(f"past_key_values.{side}" for side in sides)]
    assert list(outputs) == ["logits", *(f"present.{side}" for side in sides)]
    assert inputs["past_key_values.1.key"] == ["batch_size", 2, "past_sequence_length", 6]
    assert outputs["present.1.value"] == ["batch_size", 2, "past_sequence_length + sequence_length", 6]
    assert outputs["logits"] == ["batch_size", "sequence_length", model.vocab]


@torch.no_grad()
def test_values_inside_are_named_as_in_a_trace(written: Any) -> None:
    model = ours(tokenizers()["characters"].size, "qwen3")
    proto, ids = onnx.load(written(model)), numbers(model, 1, 9)
    with Trace(model) as trace:
        model(ids)
    names = [name for node in proto.graph.node for name in node.output if name in trace and name != "logits"]
    assert {"blocks.1.attention.masked_scores", "blocks.1.attention.weights", "blocks.0.after_attention"} <= {*names}
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    engine = Engine(proto.SerializeToString())
    given = {"input_ids": ids.numpy(), "attention_mask": np.ones((1, 9), np.int64), **engine.begin(1)}
    for name, found in zip(names, engine.session.run(names, given), strict=True):
        found, expected = np.squeeze(found), np.squeeze(trace[name].value.numpy())
        seen = np.isfinite(expected)  # where nothing is seen there is a very small number in place of −∞
        np.testing.assert_allclose(found[seen], expected[seen], atol=WORST, rtol=0, err_msg=name)


@pytest.mark.parametrize("kind", tokenizers())
def test_the_tokenizer_stands_beside_it(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()[kind]
    files = write_gpt(ours(tokenizer.size, "gpt2"), tokenizer, tmp_path / "new" / "model.onnx")
    assert files == ["model.onnx", "tokenizer.json"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == files
    library = Library.from_file(str(tmp_path / "new" / "tokenizer.json"))
    assert library.encode(TEXT).ids == tokenizer.encode(TEXT).tolist()
    said = {it.key: it.value for it in onnx.load(tmp_path / "new" / "model.onnx").metadata_props}
    assert said["tokenizer"] == tokenizer.describe()
    assert json.loads(said["endings"]) == sorted(tokenizer.endings)
    other = write_gpt(ours(tokenizer.size, "llama"), tokenizer, tmp_path / "new" / "other.onnx")
    assert other == ["other.onnx"], "the same tokenizer is there"


def test_what_the_file_says_of_itself(written: Any) -> None:
    model = ours(tokenizers()["characters"].size, "llama")
    proto = onnx.load(written(model))
    assert (proto.producer_name, proto.producer_version) == ("kqv", kqv.__version__)
    assert proto.doc_string == model.describe()
    assert [(it.domain, it.version) for it in proto.opset_import] == [("", 17)]
    assert {it.data_type for it in proto.graph.initializer} == {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}
    table = next(it for it in proto.graph.initializer if it.name == "tokens.weight")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(table), model.tokens.weight.detach().numpy())


@torch.no_grad()
def test_large_models_have_their_numbers_beside_them(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ours(tokenizers()["characters"].size, "llama, grouped and tied")
    monkeypatch.setattr(onnx_file, "LARGEST", 1000)
    file = written(model)
    assert file.stat().st_size < file.with_name("model.onnx_data").stat().st_size
    onnx.checker.check_model(str(file), full_check=True)
    ids = numbers(model, 1, 8)
    np.testing.assert_allclose(Engine(file).logits(ids), model(ids).numpy(), atol=WORST, rtol=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx_data", "tokenizer.json"]


def test_what_is_not_written_is_refused_by_name(written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mask in ("none", "future"):
        with pytest.raises(Error, match=f"with the mask '{mask}' positions see later ones"):
            written(GPT(65, Architecture(**SIZES, mask=mask)))
    monkeypatch.setitem(ALL_SCORES, "by-channels", ALL_SCORES["dot"])
    with pytest.raises(Error, match="the score 'by-channels' is not written to ONNX here; these are: dot, squared"):
        written(GPT(65, Architecture(**SIZES, score="by-channels")))
    with pytest.raises(Error, match=r"model.bin does not end in .onnx, as files of ONNX do"):
        written(ours(65, "gpt2"), "model.bin")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "kqv.interchange.onnx_file")
    with pytest.raises(Error, match=r'--to onnx needs a package more; install it with: pip install "kqv\[onnx\]"'):
        written(ours(65, "gpt2"))
    assert not list(tmp_path.iterdir())


def test_what_stands_there_is_kept(written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ours(tokenizers()["characters"].size, "gpt2")
    (tmp_path / "tokenizer.json").write_text("another")
    with pytest.raises(Error, match=r"there is a file .*tokenizer.json already; choose the name of a new one"):
        written(model)
    (tmp_path / "tokenizer.json").unlink()

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_file, "_bytes", full)
    with pytest.raises(Error, match=r"cannot write .*the disk is full"):
        written(model)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(Error, match=r"there is a file .*model.onnx already"):
        written(model)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


RECOGNISERS = {
    "textbook": lambda: Network([36, 12, 10]),
    "cross-entropy": lambda: Network([36, 12, 12, 10], "tanh", "cross-entropy", output="sigmoid"),
    "softmax": lambda: Network([36, 12, 3], "relu", "cross-entropy", classes=["a", "b", "ß"]),
    "convolutional": lambda: ConvolutionalNetwork((6, 6), "0123456789", (3,), 3, 1, activation="gelu"),
    "two convolutions": lambda: ConvolutionalNetwork((12, 10), "01", (3, 5), 3, 0, hidden=(), activation="silu"),
}


@pytest.mark.parametrize("name", RECOGNISERS)
@torch.no_grad()
def test_recognisers_give_the_same_probabilities(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = RECOGNISERS[name]().eval()
    assert write_recogniser(model, tmp_path / "digits.onnx") == ["digits.onnx"]
    onnx.checker.check_model(str(tmp_path / "digits.onnx"), full_check=True)
    session = session_of(tmp_path / "digits.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(model.classes)
    rows, columns = getattr(model, "shape", (6, 6))
    for batch in (1, 5):
        pictures = torch.randint(256, (batch, rows, columns), dtype=torch.uint8)
        outputs = model(model.vector(pictures))
        names = [it.name for it in session.get_outputs()]
        found = dict(zip(names, session.run(names, {"pictures": pictures.numpy()}), strict=True))
        np.testing.assert_allclose(found["probabilities"], model.probabilities(outputs).numpy(), atol=1e-5, rtol=0)
        assert ("logits" in found) == (model.cost == "cross-entropy")
        if "logits" in found:
            np.testing.assert_allclose(found["logits"], outputs.numpy(), atol=WORST, rtol=0)
        assert [verdict.position for verdict in model.classify(pictures)] == found["probabilities"].argmax(-1).tolist()
