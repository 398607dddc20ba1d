"""Both ways against `transformers`: the same logits, the same greedy text, the same ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import CONTEXT, OURS, TEXT, ours, stirred, tokenizers
from torch import Tensor

from kqv.data.text.byte_pairs import gpt2
from kqv.errors import DataError
from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.interchange.hugging_face import read, write
from kqv.models.architecture import Architecture
from kqv.models.families import family_of
from kqv.models.gpt import GPT

transformers = pytest.importorskip("transformers")

VOCAB = 53
ROTARY = {
    "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
POSITIONS = {
    "vocab_size": VOCAB, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "bos_token_id": None,
    "eos_token_id": None,
}  # fmt: skip
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", POSITIONS),
    "gpt2, exact gelu, own width, own head": (
        "GPT2",
        {**POSITIONS, "n_inner": 56, "activation_function": "gelu", "tie_word_embeddings": False},
    ),
    "llama": ("Llama", ROTARY),
    "llama, grouped, tied, other base": (
        "Llama",
        {**ROTARY, "num_key_value_heads": 2, "tie_word_embeddings": True, "rope_theta": 500.0, "rms_norm_eps": 1e-3},
    ),
    "llama, biases": ("Llama", {**ROTARY, "attention_bias": True, "mlp_bias": True, "head_dim": 8}),
    "llama, biases in attention alone": ("Llama", {**ROTARY, "attention_bias": True}),
    "qwen3": ("Qwen3", {**ROTARY, "head_dim": 8, "num_key_value_heads": 4}),
    "qwen3, grouped, tied": (
        "Qwen3",
        {**ROTARY, "head_dim": 6, "num_key_value_heads": 1, "tie_word_embeddings": True, "attention_bias": True},
    ),
}


def theirs(name: str) -> Any:
    """One of their models."""
    family, sizes = THEIRS[name]
    causal = {"GPT2": "GPT2LMHeadModel"}.get(family, f"{family}ForCausalLM")
    return stirred(getattr(transformers, causal)(getattr(transformers, f"{family}Config")(**sizes)))


def some_ids(vocab: int = VOCAB) -> Tensor:
    return torch.randint(vocab, (3, CONTEXT), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def compare(model: GPT, other: Any) -> None:
    """Raise unless both give the same logits and choose the same tokens, one after the other."""
    ids = some_ids(model.vocab)
    found, expected = model(ids), other(ids).logits
    assert float(expected.std()) > 0.1, "logits that are all alike would tell nothing"
    assert float((found - expected).abs().max()) <= 1e-4
    start = ids[:1, :4]
    written = other.generate(start, max_new_tokens=20, do_sample=False, attention_mask=torch.ones_like(start))
    predictor, chosen = Cached(model), start[0].tolist()
    logits = predictor.prefill(start)
    for _ in range(20):
        chosen.append(int(logits[0].argmax()))
        logits = predictor.advance(torch.tensor(chosen[-1:]))
    assert written[0].tolist() == chosen


@pytest.mark.parametrize("name", THEIRS)
def test_their_model_says_the_same_here(name: str, tmp_path: Path) -> None:
    other = theirs(name)
    other.save_pretrained(tmp_path)
    model, tokenizer = read(tmp_path)
    assert tokenizer is None
    family = family_of(model.architecture)
    assert family is not None
    assert family.title == THEIRS[name][0].replace("GPT2", "GPT-2")
    compare(model, other)


@pytest.mark.parametrize("name", OURS)
def test_our_model_says_the_same_there(name: str, tmp_path: Path) -> None:
    model = ours(VOCAB, name)
    write(model, None, tmp_path / "model")
    other, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(report[part] for part in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert other.dtype == torch.float32
    compare(model, other.eval())
    assert other.get_input_embeddings().weight.shape == (VOCAB, model.width)
    tied = other.get_input_embeddings().weight.data_ptr() == other.get_output_embeddings().weight.data_ptr()
    assert tied == model.architecture.tied


@pytest.mark.parametrize("name", ["gpt2", "llama, grouped and tied", "qwen3"])
def test_several_files_with_an_index_are_one_model(name: str, tmp_path: Path) -> None:
    model = ours(VOCAB, name)
    write(model, None, tmp_path / "one")
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    other.save_pretrained(tmp_path / "several", max_shard_size="10kB")
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 2
    again, _ = read(tmp_path / "several")
    assert torch.equal(again(some_ids()), model(some_ids()))


@pytest.mark.parametrize("kind", tokenizers())
def test_a_vocabulary_gives_the_same_ids_there(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()[kind]
    write(ours(tokenizer.size, "llama"), tokenizer, tmp_path / "model")
    other = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    for text in (TEXT, "ß", " über  den\n\n", TEXT[::-1]):
        ids = tokenizer.encode(text).tolist()
        assert other(text)["input_ids"] == ids
        assert other.decode(ids) == text
    assert other.eos_token_id == tokenizer.end_of_text
    assert other.model_max_length == CONTEXT


@pytest.mark.skipif(not os.environ.get("KQV_DATA"), reason="GPT-2's vocabulary: set KQV_DATA to a folder that has it")
def test_gpt2s_own_vocabulary_gives_the_same_ids_there(tmp_path: Path) -> None:
    try:
        tokenizer = gpt2()
    except DataError:
        pytest.skip("GPT-2's vocabulary is not in KQV_DATA")
    write(GPT(tokenizer.size, Architecture(CONTEXT, 4, 1, 1)), tokenizer, tmp_path / "model")
    other = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert other(TEXT)["input_ids"] == tokenizer.encode(TEXT).tolist()
    assert other.eos_token_id == tokenizer.end_of_text == 50_256


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3, grouped, own head"])
def test_greedy_text_is_the_same(name: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()["byte pairs with an end of text"]
    model = ours(tokenizer.size, name)
    write(model, tokenizer, tmp_path / "model")
    again, vocabulary = read(tmp_path / "model")
    assert vocabulary is not None
    assert vocabulary.sha256 == tokenizer.sha256
    found = complete(Cached(again), vocabulary, vocabulary.encode("über den"), 12, Sampling(0.0), 1, [])[0]
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    given = words("über den", return_tensors="pt")
    written = other.generate(**given, max_new_tokens=12, do_sample=False)[0]
    assert words.decode(written[given["input_ids"].shape[1] :]) == found


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    theirs("qwen3").to(torch.bfloat16).save_pretrained(tmp_path)
    model, _ = read(tmp_path)
    assert model.tokens.weight.dtype == torch.float32
    compare(model, transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval())
