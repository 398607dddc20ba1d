"""Folders in Hugging Face's layout: a model comes back as it was; what is not a whole, known model is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import CONTEXT, OURS, SIZES, TEXT, ours, stirred, tokenizers

from kqv.errors import DataError, Error
from kqv.interchange.hugging_face import read, tensors_of, write
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT

VOCAB = 31


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes one of our models, with some of its config.json changed; its folder."""

    def make(name: str = "llama, grouped and tied", **changes: Any) -> Path:
        write(ours(VOCAB, name), None, tmp_path / "model")
        file = tmp_path / "model" / "config.json"
        content = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in content.items() if value != "left out"}))
        return tmp_path / "model"

    return make


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Write the folder's tensors anew after `change`."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", OURS)
def test_a_model_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model = ours(VOCAB, name)
    write(model, None, tmp_path / "model")
    again, tokenizer = read(tmp_path / "model")
    assert tokenizer is None
    assert not again.training
    ids = torch.randint(VOCAB, (2, CONTEXT))
    torch.testing.assert_close(again(ids), model(ids), rtol=1e-6, atol=1e-6)
    passed_over = ("bias", "attention_bias") if "gpt2" in name else ()  # GPT-2 has all biases there
    free = (*passed_over, "dropout", "attention_dropout", "initialisation")
    for field in fields(model.architecture):
        found, value = getattr(again.architecture, field.name), getattr(model.architecture, field.name)
        assert found == value or field.name in free, field.name
    assert all(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("kind", tokenizers())
def test_a_vocabulary_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()[kind]
    names = write(ours(tokenizer.size, "gpt2"), tokenizer, tmp_path / "model")
    assert names == sorted(path.name for path in (tmp_path / "model").iterdir())
    _, again = read(tmp_path / "model")
    assert again is not None
    assert again.sha256 == tokenizer.sha256
    assert again.decode(again.encode(TEXT)) == TEXT


def test_names_may_come_without_the_prefix_and_with_masks(exported: Any) -> None:
    folder = exported("gpt2")
    before = read(folder)[0]

    def as_in_old_files(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = torch.ones(1, 1, CONTEXT, CONTEXT)
        tensors["lm_head.weight"] = tensors["wte.weight"].clone()  # a copy of the table that it is tied to

    change_tensors(folder, as_in_old_files)
    after = read(folder)[0]
    assert all(torch.equal(before.state_dict()[name], value) for name, value in after.state_dict().items())


def test_rows_past_the_last_token_are_padding(tmp_path: Path) -> None:
    tokenizer = tokenizers()["characters"]
    model = ours(tokenizer.size + 7, "qwen3, grouped, own head")
    write(model, tokenizer, tmp_path / "model")
    again, _ = read(tmp_path / "model")
    ids = torch.randint(tokenizer.size, (2, 9))
    torch.testing.assert_close(again(ids), model(ids)[..., : tokenizer.size])
    write(ours(tokenizer.size - 1, "gpt2"), tokenizer, tmp_path / "small")
    with pytest.raises(DataError, match=rf"tokenizer has {tokenizer.size} tokens, but the model only"):
        read(tmp_path / "small")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "mamba", "architectures": ["MambaForCausalLM"]},
            "'mamba'.* supported are: GPT2LMHeadModel, Llama",
        ),
        ({"model_type": "left out", "architectures": None}, "model_type None"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "LlamaForSequenceClassification.*is not supported"),
        (
            {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
            r"rope_scaling\.rope_type is 'llama3', which is not supported; only 'default' is",
        ),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, r"rope_parameters\.rope_type is 'yarn'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'.*only 'silu'"),
        ({"hidden_size": "left out"}, "hidden_size is None, but a whole number"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers is 'two'"),
        ({"num_key_value_heads": 3}, "4 heads cannot share 3 heads of keys"),
        ({"rms_norm_eps": "small"}, "config.json: rms_norm_eps is 'small', but a number above 0 was expected"),
        ({"intermediate_size": 64}, r"has shape \[40, 24\], but its config.json asks for \[64, 24\]"),
        ({"num_hidden_layers": 3}, "lacks the tensor layers.2.input_layernorm.weight"),
        ({"num_hidden_layers": 1}, "has a tensor layers.1.*does not speak of"),
        ({"attention_bias": True}, "lacks the tensor layers.0.self_attn.k_proj.bias"),
        ({"tie_word_embeddings": False}, "lacks the tensor lm_head.weight"),
    ],
)
def test_a_config_that_is_not_known_or_does_not_fit_is_refused(
    exported: Any, changes: dict[str, Any], message: str
) -> None:
    folder = exported(**changes)
    with pytest.raises(DataError, match=message) as refused:
        read(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gpt2", {"activation_function": "relu"}, "activation_function 'relu'.*gelu_new"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window is True.*only False"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types has sliding_attention"),
    ],
)
def test_what_a_family_may_have_and_we_do_not_is_refused(
    exported: Any, name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(exported(name, **changes))


def test_a_body_without_its_tied_head_is_the_same_model(exported: Any) -> None:
    assert read(exported("gpt2", architectures=["GPT2Model"]))[0].vocab == VOCAB


def test_damaged_folders_are_refused_in_one_line(exported: Any) -> None:
    folder: Path = exported()
    weights = folder / "model.safetensors"
    change_tensors(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    with pytest.raises(DataError, match=r"model\.norm\.weight has numbers that are infinite or none"):
        read(folder)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"model\.safetensors is damaged"):
        read(folder)
    weights.unlink()
    with pytest.raises(DataError, match=r"needs model\.safetensors for its weights, but it has none"):
        read(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError, match=r"pytorch_model\.bin is pickled.*save it as safetensors"):
        read(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors"}}))
    with pytest.raises(DataError, match=r"part-1\.safetensors is missing"):
        read(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../part-1.safetensors"}}))
    with pytest.raises(DataError, match="is not a file next to it"):
        read(folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json is damaged"):
        read(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json is damaged: it is not JSON"):
        read(folder)
    with pytest.raises(DataError, match=r"config\.json is missing; is .* in Hugging Face's layout"):
        read(folder / "nowhere")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({**GPT2.parts, "norm": "rms"}, "GPT-2, the nearest, has no rms norm"),
        ({**GPT2.parts, "key_heads": 2}, "GPT-2, the nearest, has no key_heads 2"),
        ({**LLAMA.parts, "feed_forward": "gelu"}, "Llama, the nearest, has no gelu in its feed-forward part"),
        ({**QWEN3.parts, "norm": "layer"}, "Qwen3, the nearest, has no layer norm"),
        ({**QWEN3.parts, "bias": True}, "Qwen3, the nearest, has no biases in its feed-forward part"),
    ],
)
def test_a_mixture_is_refused_by_its_part(parts: dict[str, Any], message: str, tmp_path: Path) -> None:
    model = stirred(GPT(VOCAB, Architecture(**{**SIZES, **parts})))
    with pytest.raises(Error, match=message):
        write(model, None, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_and_nothing_half_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ours(VOCAB, "gpt2")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(Error, match="taken is not empty"):
        write(model, None, tmp_path / "taken")
    with pytest.raises(Error, match=r"letter\.txt is a file"):
        write(model, None, tmp_path / "taken" / "letter.txt")
    (tmp_path / "empty").mkdir()
    write(model, None, tmp_path / "empty")
    before = sorted(tmp_path.rglob("*"))

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("kqv.interchange.hugging_face.write_tensors", full)
    with pytest.raises(Error, match=r"cannot write .*the disk is full"):
        write(model, None, tmp_path / "more")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_export_left_is_removed(tmp_path: Path, abandoned: Callable[[Path, str], Path]) -> None:
    left, of_another = abandoned(tmp_path, "model"), abandoned(tmp_path, "other")
    write(ours(VOCAB, "gpt2"), None, tmp_path / "model")
    assert (left.exists(), of_another.exists()) == (False, True)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_gpt2_always_has_is_zero_where_ours_has_none() -> None:
    found = tensors_of(ours(VOCAB, "gpt2, exact gelu, no biases"))
    biases = {name: tensor for name, tensor in found.items() if name.endswith(".bias")}
    assert len(biases) == 2 * 6 + 1
    assert not any(tensor.any() for tensor in biases.values())
    assert found["transformer.h.0.attn.c_attn.bias"].shape == (3 * 24,)
