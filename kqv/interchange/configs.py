"""Hugging Face's config.json of GPT-2, Llama and Qwen3, and the architecture that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kqv.errors import DataError, Error
from kqv.interchange.config_fields import refuse_unknown
from kqv.models.architecture import Architecture
from kqv.models.families import FAMILIES, GPT2, LLAMA, QWEN3, Family, family_of
from kqv.models.gpt import GPT
from kqv.models.requirements import LARGEST, shown_size

Config = Mapping[str, Any]
MOST = 1e12  # no base of angles is larger, and no epsilon

ARCHITECTURES = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
"""The class in `transformers` for each family."""

ACTIVATIONS = {"gelu_new": "gelu-tanh", "gelu_pytorch_tanh": "gelu-tanh", "gelu": "gelu"}
"""Kinds of GELU by the names that they have there; of two names the first is written."""


def family_in(config: Config) -> Family:
    """The family that a config.json is of. Raises `DataError`, which lists those known, for another one."""
    architectures = config.get("architectures") or []
    by_architecture = [name for name, architecture in ARCHITECTURES.items() if architecture in architectures]
    name = config.get("model_type") or next(iter(by_architecture), None)
    if name not in FAMILIES or (architectures and name not in by_architecture and not _is_body(name, architectures)):
        found = f"model_type {config.get('model_type')!r} with architectures {architectures}"
        raise DataError(f"{found} is not supported; supported are: {', '.join(ARCHITECTURES.values())}")
    return FAMILIES[name]


def _is_body(name: str, architectures: list[str]) -> bool:
    """Whether it is the family's model without a head (`GPT2Model`): its files have the same tensors."""
    body = ARCHITECTURES[name].replace("LMHead", "").replace("ForCausalLM", "Model")
    return body in architectures


def architecture_in(config: Config) -> tuple[int, Architecture]:
    """How many tokens the model knows, and what it is composed of.

    Raises `DataError` for what is missing, not to be had here, or not known; `Error` for sizes that make no model.
    """
    family = family_in(config)
    refuse_unknown(config, family.name)
    return whole_number(config, "vocab_size"), Architecture(**_READERS[family.name](config))


def family_or_refusal(chosen: Architecture, where: str) -> Family:
    """The family of an architecture. Raises `Error` that names the part which no model `where` has."""
    family = family_of(chosen)
    if family is None:
        nearest = min(reversed(FAMILIES.values()), key=lambda known: len(known.differences(chosen)))
        parts = ", no ".join(nearest.differences(chosen))
        raise Error(
            f"no model {where} has these parts: {nearest.title}, the nearest, has no {parts}; "
            "train one of gpt2's, llama's or qwen3's architecture to export it"
        )
    return family


def config_of(model: GPT, end_of_text: int | None) -> dict[str, Any]:
    """The config.json of a model. Raises `Error` that names the part which none of the families has."""
    chosen = model.architecture
    family = family_or_refusal(chosen, "in Hugging Face's layout")
    content = {
        "architectures": [ARCHITECTURES[family.name]], "model_type": family.name, "vocab_size": model.vocab,
        "tie_word_embeddings": chosen.tied, "bos_token_id": end_of_text, "eos_token_id": end_of_text,
        "torch_dtype": "float32",
    }  # fmt: skip
    return content | (_gpt2_config(chosen) if family is GPT2 else _rotary_config(chosen, family))


def _read_gpt2(config: Config) -> dict[str, Any]:
    activation = config.get("activation_function", "gelu_new")
    if activation not in ACTIVATIONS:
        raise DataError(f"activation_function {activation!r} is not supported; supported are: {', '.join(ACTIVATIONS)}")
    return {
        **GPT2.parts,
        "context": whole_number(config, "n_positions" if "n_positions" in config else "n_ctx"),
        "width": whole_number(config, "n_embd"),
        "heads": whole_number(config, "n_head"),
        "blocks": whole_number(config, "n_layer"),
        "hidden": whole_number(config, "n_inner") if config.get("n_inner") is not None else None,
        "feed_forward": ACTIVATIONS[activation],
        "epsilon": number(config, "layer_norm_epsilon", 1e-5),
        "tied": bool(config.get("tie_word_embeddings", True)),
    }


def _read_llama(config: Config) -> dict[str, Any]:
    return {**LLAMA.parts, **_rotary_parts(config, None), "bias": bool(config.get("mlp_bias", False))}


def _read_qwen3(config: Config) -> dict[str, Any]:
    return {**QWEN3.parts, **_rotary_parts(config, 128)}


def _rotary_parts(config: Config, channels: int | None) -> dict[str, Any]:
    """What Llama and Qwen3 say alike; `channels` of a head where the config does not say it."""
    kinds = sorted(set(config.get("layer_types") or []) - {"full_attention"})
    if kinds:
        raise DataError(f"layer_types has {', '.join(kinds)}, which is not supported; only full_attention is")
    heads = whole_number(config, "num_attention_heads")
    return {
        "context": whole_number(config, "max_position_embeddings"),
        "width": whole_number(config, "hidden_size"),
        "heads": heads,
        "blocks": whole_number(config, "num_hidden_layers"),
        "hidden": whole_number(config, "intermediate_size"),
        "key_heads": whole_number(config, "num_key_value_heads") if config.get("num_key_value_heads") else heads,
        "channels": whole_number(config, "head_dim") if config.get("head_dim") is not None else channels,
        "epsilon": number(config, "rms_norm_eps", 1e-6),
        "rotary_base": _rotary_base(config),
        "attention_bias": bool(config.get("attention_bias", False)),
        "tied": bool(config.get("tie_word_embeddings", False)),
    }


def _rotary_base(config: Config) -> float:
    """The base of the angles; newer files have it in `rope_parameters`, older ones beside `rope_scaling`."""
    older = number(config, "rope_theta", 10_000.0)
    return number(config.get("rope_parameters") or {}, "rope_theta", older)


_READERS: dict[str, Callable[[Config], dict[str, Any]]] = {
    "gpt2": _read_gpt2, "llama": _read_llama, "qwen3": _read_qwen3,
}  # fmt: skip


def whole_number(config: Config, name: str) -> int:
    """A field that says a size; `DataError` where it is no whole number from 1 up."""
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        found = shown_size(value) if isinstance(value, int) else repr(value)
        raise DataError(
            f"{name} is {found}, but a whole number from 1 to {LARGEST:,} was expected; is the file complete?"
        )
    return value


def number(config: Config, name: str, usual: float) -> float:
    """A field that says a number above 0; `DataError` where it says something else."""
    value = config.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
        found = shown_size(value) if isinstance(value, int) else repr(value)
        raise DataError(f"{name} is {found}, but a number above 0 was expected; is the file complete?")
    return float(value)


def _gpt2_config(chosen: Architecture) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    return {
        "n_positions": chosen.context, "n_embd": chosen.width, "n_layer": chosen.blocks, "n_head": chosen.heads,
        "n_inner": chosen.hidden, "activation_function": names[chosen.feed_forward],
        "layer_norm_epsilon": chosen.epsilon, "resid_pdrop": chosen.dropout, "embd_pdrop": chosen.dropout,
        "attn_pdrop": chosen.attention_dropout,
    }  # fmt: skip


def _rotary_config(chosen: Architecture, family: Family) -> dict[str, Any]:
    content = {
        "max_position_embeddings": chosen.context, "hidden_size": chosen.width, "num_hidden_layers": chosen.blocks,
        "num_attention_heads": chosen.heads, "num_key_value_heads": chosen.key_heads, "head_dim": chosen.channels,
        "intermediate_size": chosen.hidden, "hidden_act": "silu", "rms_norm_eps": chosen.epsilon,
        "rope_theta": chosen.rotary_base, "rope_scaling": None, "attention_bias": chosen.attention_bias,
        "attention_dropout": chosen.attention_dropout,
    }  # fmt: skip
    return content | ({"mlp_bias": chosen.bias} if family is LLAMA else {"use_sliding_window": False})
