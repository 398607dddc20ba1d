"""GGUF files against `transformers`, which reads the same file; what is refused of metadata and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf_files import BLOCKS, CONTEXT, SIZES, VOCAB, write

from kqv.errors import DataError
from kqv.generation.predictor import Cached
from kqv.interchange.gguf import is_gguf, read
from kqv.interchange.hugging_face import read as read_folder
from kqv.interchange.hugging_face import write as write_folder
from kqv.models.gpt import GPT

ARCHITECTURES = ["llama", "qwen3", "gpt2"]


def theirs(path: Path) -> Any:
    """The file as `transformers` reads it, in float32."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate")
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model.eval()


def some_ids(vocab: int) -> torch.Tensor:
    return torch.randint(vocab, (2, 40), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def assert_same_logits(model: GPT, other: Any) -> None:
    ids = some_ids(model.vocab)
    found, expected = model(ids), other(ids).logits
    assert float(expected.std()) > 0.1, "logits that are all alike would tell nothing"
    assert float((found - expected).abs().max()) <= 1e-4


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_transformers(architecture: str, kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", architecture, kind)
    model, _ = read(path)
    assert model.tokens.weight.dtype == torch.float32
    assert not model.training
    assert model.context == CONTEXT
    assert_same_logits(model, theirs(path))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_head_that_is_missing_or_a_copy_is_the_table(architecture: str, tmp_path: Path) -> None:
    missing = write(tmp_path / "missing.gguf", architecture, "Q8_0", tied=True)
    model, _ = read(missing)
    assert model.unembedding is None
    assert_same_logits(model, theirs(missing))
    table = np.random.default_rng(2).normal(size=(VOCAB, SIZES[architecture]["width"])).astype("f4")
    same = {"token_embd.weight": table, "output.weight": table}
    copied, _ = read(write(tmp_path / "copied.gguf", architecture, tensors=same))
    assert copied.unembedding is None
    near = {"token_embd.weight": table, "output.weight": table + np.float32(1e-3)}
    other, _ = read(write(tmp_path / "near.gguf", architecture, tensors=near))
    assert other.unembedding is not None


def turned(rows: Any, heads: int) -> Any:
    """Rows of queries or keys in the order in which llama.cpp's converter writes Llama's."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
def test_biases_are_read_and_turned_as_their_weights(architecture: str, tmp_path: Path) -> None:
    """`transformers` drops biases of a GGUF file in silence, so here its own model is written as one."""
    transformers = pytest.importorskip("transformers")
    size = SIZES[architecture]
    config = {
        "vocab_size": VOCAB, "hidden_size": size["width"], "intermediate_size": size["hidden"],
        "num_hidden_layers": BLOCKS, "num_attention_heads": size["heads"], "num_key_value_heads": size["key_heads"],
        "head_dim": size["channels"], "attention_bias": True, "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5, "rope_theta": 5000.0, "tie_word_embeddings": False,
    }  # fmt: skip
    name = {"llama": "Llama", "qwen3": "Qwen3"}[architecture]
    kind = getattr(transformers, f"{name}Config")
    config |= {"mlp_bias": True} if name == "Llama" else {}
    other = getattr(transformers, f"{name}ForCausalLM")(kind(**config))
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    names = {
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "model.layers": "blk",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    tensors = {}
    for key, value in other.state_dict().items():
        for before, after in names.items():
            key = key.replace(before, after)
        tensors[key] = value.numpy()
        if architecture == "llama" and (".attn_q." in key or ".attn_k." in key):
            tensors[key] = turned(value.numpy(), size["heads" if ".attn_q." in key else "key_heads"])
    model, _ = read(write(tmp_path / "model.gguf", architecture, tensors=tensors))
    assert model.architecture.attention_bias
    assert_same_logits(model, other.eval())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_text_is_that_of_transformers(architecture: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", architecture, "Q8_0", changed={"tokenizer.ggml.eos_token_id": None})
    model, _ = read(path)
    start = some_ids(model.vocab)[:1, :5]
    written = theirs(path).generate(start, max_new_tokens=20, do_sample=False, attention_mask=torch.ones_like(start))
    predictor, chosen = Cached(model), start[0].tolist()
    logits = predictor.prefill(start)
    for _ in range(20):
        chosen.append(int(logits[0].argmax()))
        logits = predictor.advance(torch.tensor(chosen[-1:]))
    assert written[0].tolist() == chosen


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_export_gives_the_same_model_and_vocabulary(architecture: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model, tokenizer = read(write(tmp_path / "model.gguf", architecture, "Q4_0", tied=True, pattern="qwen2"))
    assert tokenizer is not None
    write_folder(model, tokenizer, tmp_path / "folder")
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder").eval()
    assert_same_logits(model, other)
    assert other.generation_config.eos_token_id == [0, 2]
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "folder")
    text = "über 2026 Flüsse,\n\n sagte sie"
    assert words(text)["input_ids"] == tokenizer.encode(text).tolist()
    again, vocabulary = read_folder(tmp_path / "folder")
    assert vocabulary is not None
    assert vocabulary.sha256 == tokenizer.sha256
    assert torch.equal(again(some_ids(model.vocab)), model(some_ids(model.vocab)))


def test_a_file_is_known_by_how_it_begins_or_by_its_suffix(tmp_path: Path) -> None:
    named = write(tmp_path / "model.gguf", "gpt2")
    unnamed = named.rename(tmp_path / "blob")
    assert is_gguf(unnamed)
    (tmp_path / "cut.gguf").write_bytes(b"GG")
    assert is_gguf(tmp_path / "cut.gguf")
    (tmp_path / "text.txt").write_text("GG")
    for other in ("text.txt", "nothing.gguf", ".", "a\0b.txt"):
        assert not is_gguf(tmp_path / other)


def test_keys_and_tensors_without_effect_change_nothing(tmp_path: Path) -> None:
    plain, _ = read(write(tmp_path / "plain.gguf", "llama"))
    changes = {
        "llama.rope.scaling.type": "none", "llama.rope.scaling.original_context_length": 512,
        "llama.rope.scaling.factor": 1.0, "llama.expert_count": 0, "llama.attention.causal": True,
        "llama.attention.key_length": 16, "llama.attention.value_length": 16, "general.type": "model",
        "split.count": 0, "quantize.imatrix.file": "any", "general.file_type": 7,
    }  # fmt: skip
    factors = {"rope_freqs.weight": np.ones(8, dtype="f4")}
    same, _ = read(write(tmp_path / "same.gguf", "llama", changed=changes, tensors=factors))
    assert same.architecture == plain.architecture
    assert torch.equal(same(some_ids(plain.vocab)), plain(some_ids(plain.vocab)))


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type is 'yarn'.*only 'none' is"),
    ("llama", {"llama.rope.scaling.factor": 4.0}, "llama.rope.scaling.factor is 4.0"),
    ("llama", {"llama.rope.dimension_count": 8}, "rope.dimension_count is not 16"),
    ("llama", {"llama.attention.value_length": 8}, "attention.value_length is not 16"),
    ("llama", {"llama.expert_count": 8}, "llama.expert_count is 8"),
    ("llama", {"llama.logit_scale": 0.5}, "llama.logit_scale is 0.5"),
    ("qwen3", {"qwen3.attention.sliding_window": 256}, "qwen3.attention.sliding_window is 256"),
    ("gpt2", {"gpt2.attention.causal": False}, "gpt2.attention.causal is False"),
    ("gpt2", {"gpt2.attention.head_count_kv": 2}, "attention.head_count_kv is not 4"),
    ("gpt2", {"gpt2.new_mathematics": 1}, r"gpt2.new_mathematics \(here 1\) is not supported, and may change"),
    ("llama", {"llama.vocab_size": 7}, "vocab_size is not 320, which is the rows of token_embd.weight"),
    ("llama", {"llama.block_count": None}, "llama.block_count is missing"),
    ("llama", {"llama.block_count": 3}, "lacks the tensor layers.2.*which its metadata speaks of"),
    ("llama", {"llama.block_count": 1}, "has a tensor layers.1.*does not speak of"),
    ("llama", {"llama.block_count": 1_000_000_000}, "1,000,000,000 blocks, but there are only 21 tensors"),
    ("llama", {"llama.attention.head_count": [4, 4]}, r"head_count \[4, 4\].*blocks of different sizes"),
    ("llama", {"llama.feed_forward_length": [96, 96]}, r"intermediate_size is \[96, 96\]"),
    ("llama", {"llama.feed_forward_length": 64}, r"has shape \[96, 64\], but its metadata asks for \[64, 64\]"),
    ("gpt2", {"gpt2.embedding_length": 4_000_000_000}, "but a whole number from 1 to 2,147,483,647"),
    ("llama", {"llama.attention.layer_norm_rms_epsilon": float("nan")}, "rms_norm_eps is nan, but a positive number"),
    ("llama", {"llama.rope.freq_base": -1.0}, "rope_theta is -1.0, but a positive number"),
    ("llama", {"llama.rope.freq_base": "fast"}, "rope_theta is 'fast'"),
    ("llama", {"general.type": "adapter"}, "general.type is 'adapter'"),
    ("llama", {"split.count": 3}, "one of 3 files"),
    ("mamba", {}, "architecture 'mamba' is not supported; supported are: llama, qwen3, gpt2"),
]


@pytest.mark.parametrize(("architecture", "changes", "message"), REFUSED)
def test_metadata_that_is_not_known_or_does_not_fit_is_refused(
    architecture: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    known = architecture if architecture in SIZES else "llama"
    path = write(tmp_path / "model.gguf", known, named=architecture, changed=changes)
    with pytest.raises(DataError, match=message) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"rope_freqs.weight": np.full(8, 2, dtype="f4")}, "rope_freqs.weight scales the angles of positions"),
        ({"blk.0.ffn_gate_inp.weight": np.ones((4, 64), dtype="f4")}, "ffn_gate_inp.weight, which llama does not have"),
        ({"model.norm.weight": np.ones(64, dtype="f4")}, "model.norm.weight, which llama does not have"),
        ({"blk.1.attn_v.weight": None}, "lacks the tensor layers.1.self_attn.v_proj.weight"),
        ({"token_embd.weight": None}, "lacks the tensor token_embd.weight; is it a whole model"),
        ({"output_norm.weight": np.ones(32, dtype="f4")}, r"has shape \[32\], but its metadata asks for \[64\]"),
        ({"output_norm.weight": np.full(64, np.nan, dtype="f4")}, "has numbers that are infinite or none at all"),
        ({"blk.0.attn_q.bias": np.ones(64, dtype="f4")}, "lacks the tensor layers.0.self_attn.k_proj.bias"),
        ({"blk.1.attn_q.bias": np.ones(64, dtype="f4")}, "has a tensor layers.1.self_attn.q_proj.bias"),
    ],
)
def test_tensors_that_are_not_known_or_do_not_fit_are_refused(
    tensors: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "model.gguf", "llama", tensors=tensors)
    with pytest.raises(DataError, match=message) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
