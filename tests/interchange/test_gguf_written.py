"""Our models as GGUF files: read back, and as `transformers` and the package `gguf` read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.constants import GGMLQuantizationType
from small_models import OURS, SIZES, TEXT, ours, tokenizers

from kqv.errors import DataError, Error
from kqv.interchange.gguf import TYPES, outline, read, write
from kqv.interchange.gguf_file import opened
from kqv.models.architecture import Architecture
from kqv.models.families import LLAMA, QWEN3
from kqv.models.gpt import GPT
from kqv.tensors import weights_of

UNCOMPUTED = {"qwen3, biases in attention"}
EXACT = [name for name in OURS if name not in UNCOMPUTED]


def ids_for(model: GPT) -> torch.Tensor:
    return torch.randint(model.vocab, (2, model.context), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", tokenizers())
@pytest.mark.parametrize("name", EXACT)
@torch.no_grad()
def test_a_model_comes_back_as_it_was(name: str, kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()[kind]
    model = ours(tokenizer.size, name)
    write(model, tokenizer, tmp_path / "model.gguf")
    again, vocabulary = read(tmp_path / "model.gguf")
    assert vocabulary is not None
    assert (vocabulary.sha256, vocabulary.kind) == (tokenizer.sha256, tokenizer.kind)
    assert (vocabulary.endings, vocabulary.begin_of_text) == (tokenizer.endings, tokenizer.begin_of_text)
    assert vocabulary.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    assert again.architecture.epsilon == model.architecture.epsilon, "not as float32 rounds it"
    vocab, architecture = outline(tmp_path / "model.gguf")
    assert (vocab, architecture.resolved()) == (model.vocab, again.architecture)
    if name == "gpt2, exact gelu, no biases":  # GPT-2's file has zeros for them, and the approximation by tanh
        assert float((again(ids_for(model)) - model(ids_for(model))).abs().max()) < 5e-3
        return
    found, expected = weights_of(again), weights_of(model)
    for name in expected:
        assert torch.equal(found[name], expected[name]), name
    if again.architecture.bias == model.architecture.bias:
        assert torch.equal(again(ids_for(model)), model(ids_for(model)))
    else:  # biases of zeros are added
        torch.testing.assert_close(again(ids_for(model)), model(ids_for(model)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "llama, grouped and tied"])
@torch.no_grad()
def test_transformers_reads_the_same_model(name: str, tmp_path: Path) -> None:
    """It reads fewer fields than llama.cpp: GPT-2 has 1,024 positions and a usual size inside there."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate")
    tokenizer = tokenizers()["byte pairs with an end of text"]
    sizes = {**SIZES, **OURS[name]} | ({"context": 1024} if name.startswith("gpt2") else {})
    torch.manual_seed(3)
    model = GPT(tokenizer.size, Architecture(**sizes)).eval()
    write(model, tokenizer, tmp_path / "model.gguf")
    other = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32
    ).eval()
    ids = torch.randint(model.vocab, (2, 30), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(other(ids).logits, model(ids), atol=1e-5, rtol=0)
    words = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    assert words(TEXT)["input_ids"] == tokenizer.encode(TEXT).tolist()


@pytest.mark.parametrize("kind", TYPES)
@torch.no_grad()
def test_matrices_are_of_the_type_and_vectors_stay_as_they_are(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()["bytes"]
    torch.manual_seed(2)
    model = GPT(256, Architecture(context=256, width=64, heads=4, blocks=2, feed_forward="gelu-tanh")).eval()
    assert write(model, tokenizer, tmp_path / "model.gguf", kind) == []
    stored = {tensor.name: tensor.tensor_type for tensor in GGUFReader(tmp_path / "model.gguf").tensors}
    chosen = GGMLQuantizationType[kind.upper()]
    assert stored["blk.1.ffn_up.weight"] == stored["blk.0.attn_qkv.weight"] == chosen
    assert stored["token_embd.weight"] == (chosen if kind in ("f32", "f16", "bf16") else GGMLQuantizationType.Q8_0), (
        "a table that is also the head has at least eight bits"
    )
    assert {stored[name] for name in stored if name.endswith(("bias", "norm.weight", "position_embd.weight"))} == {
        GGMLQuantizationType.F32
    }
    again, _ = read(tmp_path / "model.gguf")
    found, expected = weights_of(again), weights_of(model)
    worst = {"f32": 0, "f16": 2**-11, "bf16": 2**-8, "q8_0": 1 / 100, "q5_1": 1 / 15, "q5_0": 1 / 15}.get(kind, 1 / 7)
    for name in expected:
        largest = float(expected[name].abs().max())
        assert float((found[name] - expected[name]).abs().max()) <= worst * largest + 1e-7, name


def test_rows_that_are_no_whole_blocks_stay_in_sixteen_bits_and_that_is_said(tmp_path: Path) -> None:
    model = GPT(256, Architecture(**{**SIZES, **LLAMA.parts, "hidden": 32}))  # 24 wide: no block of 32
    notes = write(model, tokenizers()["bytes"], tmp_path / "model.gguf", "q4_0")
    assert notes == ["14 matrices stay f16: rows of 24 numbers are no whole blocks of 32"]
    stored = {tensor.name: tensor.tensor_type for tensor in GGUFReader(tmp_path / "model.gguf").tensors}
    assert stored["blk.0.attn_q.weight"] == GGMLQuantizationType.F16
    assert stored["blk.0.ffn_down.weight"] == GGMLQuantizationType.Q4_0
    read(tmp_path / "model.gguf")


def test_numbers_too_large_for_sixteen_bits_are_refused(tmp_path: Path) -> None:
    model = ours(256, "llama")
    with torch.no_grad():
        model.tokens.weight[3, 4] = 70_000
    with pytest.raises(Error, match=r"token_embd.weight has numbers above 65,504.*take --type f32 or bf16"):
        write(model, tokenizers()["bytes"], tmp_path / "model.gguf", "f16")
    assert not list(tmp_path.iterdir())
    write(model, tokenizers()["bytes"], tmp_path / "model.gguf", "bf16")


def test_what_the_file_says_of_the_model(tmp_path: Path) -> None:
    model = ours(256, "qwen3, grouped, own head")
    write(model, tokenizers()["bytes"], tmp_path / "poems.gguf", "q8_0")
    said = opened(tmp_path / "poems.gguf").metadata
    assert said["general.architecture"] == "qwen3"
    assert said["general.name"] == "poems"
    assert said["general.description"] == model.describe()
    assert (said["general.file_type"], said["general.quantization_version"]) == (7, 2)
    assert said["qwen3.context_length"] == model.context
    assert said["qwen3.rope.freq_base"] == QWEN3.parts["rotary_base"]
    assert said["qwen3.attention.key_length"] == said["qwen3.rope.dimension_count"] == model.heads.channels
    assert said["qwen3.attention.head_count_kv"] == 1
    assert said["qwen3.vocab_size"] == 256
    assert not said["tokenizer.ggml.add_bos_token"]
    assert "tokenizer.ggml.bos_token_id" not in said


def test_what_stands_there_is_kept(tmp_path: Path) -> None:
    model, tokenizer = ours(256, "llama"), tokenizers()["bytes"]
    (tmp_path / "model.gguf").write_text("mine")
    with pytest.raises(Error, match=r"there is a file .*model.gguf already; choose the name of a new one"):
        write(model, tokenizer, tmp_path / "model.gguf")
    assert (tmp_path / "model.gguf").read_text() == "mine"
    with pytest.raises(Error, match="is a folder; choose the name of a new file"):
        write(model, tokenizer, tmp_path)
    write(model, tokenizer, tmp_path / "new" / "folder" / "model.gguf")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["model.gguf"]


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kqv.interchange import gguf_writing

    def full(*_: object) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf_writing, "_bytes_of", full)
    with pytest.raises(Error, match=r"cannot write .*the disk is full"):
        write(ours(256, "llama"), tokenizers()["bytes"], tmp_path / "model.gguf")
    assert not list(tmp_path.iterdir())


def test_what_llama_cpp_does_not_compute_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"llama.cpp's Qwen3 has no biases in its attention.*or of llama's architecture"):
        write(ours(256, "qwen3, biases in attention"), tokenizers()["bytes"], tmp_path / "model.gguf")
    with pytest.raises(Error, match="gguf has no type 'q4_k' here; choose one of: f32, f16, bf16, q8_0"):
        write(ours(256, "llama"), tokenizers()["bytes"], tmp_path / "model.gguf", "q4_k")
    assert not list(tmp_path.iterdir())


def test_what_differs_in_llama_cpp_is_said(tmp_path: Path) -> None:
    tokenizer = tokenizers()["bytes"]
    formula, context = write(ours(256, "gpt2, exact gelu, no biases"), tokenizer, tmp_path / "exact.gguf")
    assert "approximation with tanh" in formula
    assert "within the context of 32 tokens" in context
    assert write(ours(256, "gpt2"), tokenizer, tmp_path / "tanh.gguf") == [context]
    assert write(ours(256, "llama"), tokenizer, tmp_path / "llama.gguf") == []
    exact = GPT(256, Architecture(context=256, width=8, heads=1, blocks=1, feed_forward="gelu-tanh"))
    assert write(exact, tokenizer, tmp_path / "whole.gguf") == []


def test_spare_tokens_have_the_mean_of_all_logits(tmp_path: Path) -> None:
    """So none is ever the likeliest, nor likelier than one in as many as there are tokens."""
    tokenizer = tokenizers()["characters"]
    for name in ("llama", "llama, grouped and tied"):
        model = ours(tokenizer.size, name)
        write(model, tokenizer, tmp_path / f"{name}.gguf")
        file = opened(tmp_path / f"{name}.gguf")
        assert len(file.metadata["tokenizer.ggml.tokens"]) == file.metadata["llama.vocab_size"] > tokenizer.size
        table = file.read("token_embd.weight" if "tied" in name else "output.weight")
        assert torch.equal(table[: tokenizer.size], (model.unembedding or model.tokens).weight)
        logits = model.read(ids_for(model)) @ table.T
        own, spare = logits[..., : tokenizer.size], logits[..., tokenizer.size :]
        torch.testing.assert_close(spare, own.mean(-1, keepdim=True).expand_as(spare), atol=1e-5, rtol=0)
        assert bool((logits.argmax(-1) < tokenizer.size).all())


def test_the_vocabulary_of_rwkv_itself_is_refused(tmp_path: Path) -> None:
    from gguf_files import write as write_foreign

    changes = {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.pre": None, "tokenizer.ggml.merges": None}
    with pytest.raises(DataError, match="RWKV's, of which only single characters and the 256 bytes are supported"):
        read(write_foreign(tmp_path / "model.gguf", "llama", changed=changes))
