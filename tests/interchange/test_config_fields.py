"""What a config.json asks for and nobody here computes is refused by name; what all files say is read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import CONTEXT, ours

from kqv.errors import DataError
from kqv.interchange.config_fields import EXPECTED, HARMLESS, USED
from kqv.interchange.configs import architecture_in, config_of
from kqv.interchange.hugging_face import read, write
from kqv.models.architecture import Architecture
from kqv.models.families import FAMILIES

VOCAB = 53

PUBLISHED: dict[str, dict[str, Any]] = {
    "gpt2, version 4": {
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
        "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
        "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None, "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}, "vocab_size": 50257,
        "_num_labels": None, "output_past": None, "reorder_and_upcast_attn": False, "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False, "use_cache": True, "n_inner": None, "torch_dtype": "float16",
        "_name_or_path": "gpt2", "transformers_version": "4.40.0", "pad_token_id": None,
        "gradient_checkpointing": False, "predict_special_tokens": True,
    },
    "llama, version 4": {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 0,
        "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
        "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "model_type": "llama",
        "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pretraining_tp": 1,
        "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None, "rope_theta": 100000,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "transformers_version": "4.40.1", "use_cache": True,
        "vocab_size": 49152, "mlp_bias": False, "head_dim": 64,
    },
    "qwen3, version 5": {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 151643, "dtype": "bfloat16", "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
        "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
        "layer_types": ["full_attention"] * 28, "max_position_embeddings": 40960, "max_window_layers": 28,
        "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
        "pad_token_id": None, "rms_norm_eps": 1e-06,
        "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}, "sliding_window": None,
        "tie_word_embeddings": True, "transformers_version": "5.23.0", "use_cache": True, "use_sliding_window": False,
        "vocab_size": 151936,
    },
}  # fmt: skip
"""Config files as they are published."""


def config(family: str, **changes: Any) -> dict[str, Any]:
    return {**config_of(ours(VOCAB, family), None), **changes}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_are_read(name: str) -> None:
    content = PUBLISHED[name]
    vocab, architecture = architecture_in(content)
    assert vocab == content["vocab_size"]
    assert architecture.blocks == content.get("n_layer", content.get("num_hidden_layers"))
    assert not FAMILIES[content["model_type"]].differences(architecture)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_that_transformers_has_is_known(family: str) -> None:
    transformers = pytest.importorskip("transformers")
    kind = {"gpt2": "GPT2Config", "llama": "LlamaConfig", "qwen3": "Qwen3Config"}[family]
    theirs = getattr(transformers, kind)
    known = {*USED[family], *EXPECTED[family], *(name for names in HARMLESS.values() for name in names)}
    fields = {field.name for field in dataclasses.fields(theirs)}
    refused_unless_false = {"is_encoder_decoder"}
    assert fields - known - refused_unless_false == set()
    sizes = {"vocab_size": VOCAB} if family == "gpt2" else {"vocab_size": VOCAB, "hidden_size": 64}
    architecture_in({**theirs(**sizes).to_dict(), "architectures": None})


WRONG: dict[str, Any] = {
    "is_causal": False, "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True,
    "add_cross_attention": True, "hidden_act": "relu", "partial_rotary_factor": 0.5, "pretraining_tp": 2,
    "use_sliding_window": True,
}  # fmt: skip


@pytest.mark.parametrize(("family", "name"), [(family, name) for family in FAMILIES for name in EXPECTED[family]])
def test_what_changes_the_mathematics_is_refused_by_its_name(family: str, name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} is {WRONG[name]!r}, which is not supported; only "):
        architecture_in(config(family, **{name: WRONG[name]}))
    for value in EXPECTED[family][name]:
        architecture_in(config(family, **{name: value}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logit_scale", 0.0625), ("residual_multiplier", 0.22), ("attn_logit_softcapping", 50.0),
        ("auto_map", {"AutoModelForCausalLM": "modeling.Strange"}), ("quantization_config", {"bits": 4}),
        ("pruned_heads", {"0": [1]}), ("is_encoder_decoder", True), ("embedding_offset", 0), ("x" * 9, "y" * 900),
    ],
)  # fmt: skip
def test_a_field_that_nobody_here_knows_is_refused_unless_it_says_nothing(family: str, name: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"^{name} is .*; no such field is known here") as refused:
        architecture_in(config(family, **{name: value}))
    assert len(str(refused.value)) < 200
    for nothing in (None, False, "", [], {}):
        architecture_in(config(family, **{name: nothing}))


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("where", ["rope_scaling", "rope_parameters"])
def test_so_is_what_the_angles_have_besides(family: str, where: str) -> None:
    plain = {"rope_type": "default", "rope_theta": 500.0}
    assert architecture_in(config(family, **{where: plain | {"partial_rotary_factor": 1.0}}))
    for extra in ({"partial_rotary_factor": 0.5}, {"factor": 8.0}, {"full_attention": {"rope_type": "default"}}):
        with pytest.raises(DataError, match=rf"^{where}\.{next(iter(extra))} is "):
            architecture_in(config(family, **{where: plain | extra}))


def test_newer_files_say_the_base_among_the_angles() -> None:
    newer = config("llama", rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    assert architecture_in(newer)[1].rotary_base == 500.0
    assert architecture_in(config("llama", rope_theta=700.0))[1].rotary_base == 700.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_speaks_of_every_field_of_an_architecture(family: str) -> None:
    """Whoever adds a field to `Architecture` says here which of its values each family has."""
    assert set(FAMILIES[family].allowed) == {field.name for field in dataclasses.fields(Architecture)}


def test_what_a_family_does_not_speak_of_it_has_not() -> None:
    @dataclasses.dataclass(frozen=True)
    class Newer(Architecture):
        temperature: float = 2.0

    for family in FAMILIES.values():
        assert family.differences(Newer(**family.parts)) == ["temperature 2.0"]


@pytest.mark.parametrize("name", ["gpt2", "llama, grouped and tied", "qwen3"])
def test_a_head_that_differs_from_the_tokens_is_read_although_the_config_ties_them(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "model"
    write(ours(VOCAB, name), None, folder)
    tensors = load_file(folder / "model.safetensors")
    table = next(tensor for key, tensor in tensors.items() if key.endswith(("wte.weight", "embed_tokens.weight")))
    ids = torch.randint(VOCAB, (2, CONTEXT))

    save_file({**tensors, "lm_head.weight": table.clone()}, folder / "model.safetensors", metadata={"format": "pt"})
    copied, _ = read(folder)
    assert copied.architecture.tied

    own = torch.randn(table.shape, generator=torch.Generator().manual_seed(1))
    save_file({**tensors, "lm_head.weight": own}, folder / "model.safetensors", metadata={"format": "pt"})
    model, _ = read(folder)
    assert not model.architecture.tied
    torch.testing.assert_close(model(ids), model.read(ids) @ own.T, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(model(ids), copied(ids), atol=0.1)
    other = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    assert float((model(ids) - other(ids).logits).detach().abs().max()) <= 1e-4
