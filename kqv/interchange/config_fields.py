"""The fields of Hugging Face's config.json: each is read, known to change no logit, or has to be what is computed here.

Whatever else a file says is refused by its name, unless it says nothing (null, false, empty): a field that nobody here
has thought of may change the mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kqv.errors import DataError

HARMLESS: Mapping[str, tuple[str, ...]] = {
    "what the file is, and who wrote it": (
        "_name_or_path", "_commit_hash", "transformers_version", "transformers.js_config", "finetuning_task",
        "is_llama_config", "unsloth_version", "unsloth_fixed",
    ),
    "the numbers' type; they are read as float32": ("torch_dtype", "dtype", "use_bfloat16"),
    "how it is computed, to the same result": (
        "use_cache", "_attn_implementation", "attn_implementation", "_attn_implementation_autoset",
        "gradient_checkpointing", "chunk_size_feed_forward", "torchscript", "tf_legacy_loss",
        "reorder_and_upcast_attn", "is_decoder",
    ),
    "what a call gives back beside the logits": ("return_dict", "output_hidden_states", "output_attentions"),
    "training alone: dropout, first weights": (
        "resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "initializer_range", "hidden_dropout_prob",
        "attention_probs_dropout_prob", "classifier_dropout",
    ),
    "the vocabulary's, which its own files say": (
        "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "tokenizer_class",
        "prefix", "predict_special_tokens",
    ),
    "heads for classes, which are not read": (
        "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
        "num_labels", "id2label", "label2id", "problem_type",
    ),
    "how text is generated, which is chosen here": (
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
        "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
        "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
        "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "task_specific_params",
    ),
}  # fmt: skip
"""Fields that change no logit, by the reason."""

_GPT2_USED = (
    "vocab_size", "n_positions", "n_ctx", "n_embd", "n_layer", "n_head", "n_inner", "activation_function",
    "layer_norm_epsilon", "tie_word_embeddings",
)  # fmt: skip
_ROTARY_USED = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "rope_parameters",
    "attention_bias", "layer_types", "tie_word_embeddings",
)  # fmt: skip
_BERT_USED = (
    "vocab_size", "type_vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "layer_norm_eps", "hidden_act",
)  # fmt: skip
USED: Mapping[str, tuple[str, ...]] = {
    "gpt2": ("model_type", "architectures", *_GPT2_USED),
    "llama": ("model_type", "architectures", "mlp_bias", *_ROTARY_USED),
    "qwen3": ("model_type", "architectures", "sliding_window", "max_window_layers", *_ROTARY_USED),
    "bert": ("model_type", "architectures", *_BERT_USED, "tie_word_embeddings"),
}
"""Fields that are read, by family; Qwen3's windows are of no effect as long as `use_sliding_window` is false."""

_ROTARY_EXPECTED = {"hidden_act": ("silu",), "is_causal": (True,), "partial_rotary_factor": (1, None)}
EXPECTED: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "gpt2": {
        "is_causal": (True,), "scale_attn_weights": (True,), "scale_attn_by_inverse_layer_idx": (False, None),
        "add_cross_attention": (False, None),
    },
    "llama": {**_ROTARY_EXPECTED, "pretraining_tp": (1, None)},
    "qwen3": {**_ROTARY_EXPECTED, "use_sliding_window": (False, None)},
    "bert": {
        "is_decoder": (False, None), "add_cross_attention": (False, None),
        "position_embedding_type": ("absolute", None),
    },
}  # fmt: skip
"""Fields that have to be what is computed here, by family, with the values that mean it."""

_ROPE_USED = ("rope_theta", "rope_type", "type")
_ROPE_EXPECTED = {"rope_type": ("default",), "type": ("default",), "partial_rotary_factor": (1, None)}


def refuse_unknown(config: Mapping[str, Any], family: str) -> None:
    """Raise `DataError` that names the first field which asks for what is not computed here, or is not known."""
    known = {*USED[family], *(name for names in HARMLESS.values() for name in names)}
    _refuse(config, known, EXPECTED[family], "")
    for name in ("rope_scaling", "rope_parameters"):
        if isinstance(config.get(name), dict):
            _refuse(config[name], set(_ROPE_USED), _ROPE_EXPECTED, f"{name}.")


def _refuse(config: Mapping[str, Any], known: set[str], expected: Mapping[str, tuple[Any, ...]], prefix: str) -> None:
    for name, value in config.items():
        if name in expected:
            if not any(value is one or (value == one and type(one) is not bool) for one in expected[name]):
                raise DataError(
                    f"{prefix}{name} is {_short(value)}, which is not supported; only {expected[name][0]!r} is"
                )
        elif name not in known and not _says_nothing(value):
            raise DataError(
                f"{prefix}{name} is {_short(value)}; no such field is known here, and it may change the logits"
            )


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
