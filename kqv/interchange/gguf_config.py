"""What a GGUF file's metadata says of the model, in the words of Hugging Face's config.json: read and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from kqv.errors import DataError
from kqv.interchange.gguf_file import Metadata

Config = dict[str, Any]

ROTARY_KEYS = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "rope.freq_base": "rope_theta",
}
LEARNED_KEYS = {
    "context_length": "n_positions",
    "embedding_length": "n_embd",
    "block_count": "n_layer",
    "feed_forward_length": "n_inner",
    "attention.head_count": "n_head",
    "attention.layer_norm_epsilon": "layer_norm_epsilon",
}
KEYS = {"llama": ROTARY_KEYS, "qwen3": ROTARY_KEYS, "gpt2": LEARNED_KEYS}
"""For each architecture the keys (after `llama.` and so on) that a config has under another name."""

FRACTIONS = ("rms_norm_eps", "layer_norm_epsilon", "rope_theta")
"""What is no whole number; float32 in a file."""

OPTIONAL = {"attention.head_count_kv", "attention.key_length", "rope.freq_base"}

WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "rope.scale_linear": (0, 1),
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.scale": (0,),
    "attention.sliding_window": (0,),
    "attn_logit_softcapping": (0,),
    "final_logit_softcapping": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "embedding_scale": (0, 1),
    "use_parallel_residual": (False,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "pooling_type": (0,),
    "tensor_data_layout": ("Meta AI original pth",),
}
"""Keys that change the mathematics, unless they have one of these values; every key that is not known is refused."""


def config_in(metadata: Metadata, tensors: Collection[str], rows: int, tied: bool) -> Config:
    """The config of a file with this metadata and these tensors, `rows` in its table of tokens, and `tied` or not.

    Raises `DataError` for another architecture, for what is missing, and for all that is not to be had here.
    """
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or architecture not in KEYS:
        raise DataError(f"its architecture {architecture!r} is not supported; supported are: {', '.join(KEYS)}")
    kind = metadata.get("general.type", "model")
    if kind != "model":
        raise DataError(f"general.type is {kind!r}, but a whole model was expected; give the model's own file")
    if metadata.get("split.count", 1) not in (0, 1):
        count = metadata["split.count"]
        raise DataError(f"it is one of {count} files that make a model; join them with `llama-gguf-split --merge`")
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.")
    }
    config = {"model_type": architecture, "vocab_size": rows, "tie_word_embeddings": tied}
    known = KEYS[architecture]
    for key, name in known.items():
        if key in own:
            config[name] = own.pop(key)
        elif key not in OPTIONAL:
            raise DataError(f"{architecture}.{key} is missing; is the file complete?")
    for name in FRACTIONS:
        if name in config and not _is_positive(config[name]):
            raise DataError(f"{name} is {config[name]!r}, but a positive number was expected; is the file complete?")
        if name in config:
            config[name] = _as_it_was_meant(config[name])
    _FURTHER[architecture](config, own, tensors)
    _take(own, "vocab_size", rows, "the rows of token_embd.weight")
    _refuse(architecture, own)
    return config


def metadata_of(config: Config) -> Config:
    """The metadata that says of a model what its config says: `config_in` the other way round."""
    architecture = config["model_type"]
    own = {key: config[name] for key, name in KEYS[architecture].items()}
    own["vocab_size"] = config["vocab_size"]
    if "head_dim" in config:
        own |= dict.fromkeys(("attention.value_length", "rope.dimension_count"), config["head_dim"])
    return {f"{architecture}.{key}": value for key, value in own.items()}


def _rotary(config: Config, own: Config, tensors: Collection[str]) -> None:
    """What Llama's and Qwen3's metadata says besides."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if not all(isinstance(size, int) and size > 0 for size in (width, heads)):
        raise DataError(
            f"embedding_length {width!r} and attention.head_count {heads!r}: a whole number from 1 up was expected of"
            " each; models with blocks of different sizes are not supported"
        )
    channels = config.setdefault("head_dim", width // heads)
    _take(own, "attention.value_length", channels, "attention.key_length")
    _take(own, "rope.dimension_count", channels, "attention.key_length, as all channels of a head are turned here")
    own.pop("rope.scaling.original_context_length", None)  # says nothing without a scaling, which is refused
    own.pop("rope.scaling.finetuned", None)
    config["attention_bias"] = "blk.0.attn_q.bias" in tensors
    config["mlp_bias"] = "blk.0.ffn_up.bias" in tensors


def _learned(config: Config, own: Config, tensors: Collection[str]) -> None:
    """What GPT-2's metadata says besides."""
    _take(own, "attention.head_count_kv", config["n_head"], "attention.head_count")
    config["activation_function"] = "gelu_new"  # ggml's GELU is the one by tanh


_FURTHER: dict[str, Callable[[Config, Config, Collection[str]], None]] = {
    "llama": _rotary, "qwen3": _rotary, "gpt2": _learned,
}  # fmt: skip


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _as_it_was_meant(value: Any) -> float:
    """The shortest decimal fraction of a float32: 1e-05, which float32 has as 0.00000999999974738."""
    single = np.array(value, dtype=np.float64).astype(np.float32)
    return float(str(single)) if float(single) == value else float(value)


def _take(own: Config, key: str, expected: Any, reason: str) -> None:
    """Raise `DataError` where a key is there with another value than it must have."""
    if own.pop(key, expected) not in (expected, None):
        raise DataError(f"{key} is not {expected}, which is {reason}; such models are not supported")


def _refuse(architecture: str, own: Config) -> None:
    """Raise `DataError` for what is left, unless it is known to change nothing."""
    for key, value in own.items():
        expected = WITHOUT_EFFECT.get(key)
        if expected is None:
            raise DataError(f"{architecture}.{key} (here {value!r}) is not supported, and may change what is computed")
        if value not in expected:
            raise DataError(f"{architecture}.{key} is {value!r}, which is not supported; only {expected[-1]!r} is")
