"""Small random models as GGUF files, written by the package `gguf`, as llama.cpp's converter would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from kqv.data.text.byte_pairs import train_byte_pairs

TEXT = "Der Übergang über den Fluß: 12 µm, 3 €, naïve Œuvre, 数学 und 🦊.\n  »Ja«, sagte sie.\r\n\tfertig 2026"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB = 320

SIZES: dict[str, dict[str, Any]] = {
    "llama": {"width": 64, "heads": 4, "key_heads": 2, "channels": 16, "hidden": 96},
    "qwen3": {"width": 64, "heads": 2, "key_heads": 1, "channels": 128, "hidden": 96},
    "gpt2": {"width": 64, "heads": 4, "key_heads": 4, "channels": 16, "hidden": 256},
}
CONTEXT = 1024  # transformers takes no other one from a GGUF file of GPT-2
BLOCKS = 2


def vocabulary() -> tuple[list[str], list[str]]:
    """Tokens with special ones first, and the merges, as a file has them."""
    trained = train_byte_pairs([TEXT * 3], VOCAB - len(SPECIAL))
    own = trained._library.get_vocab()
    tokens = SPECIAL + sorted(own, key=own.__getitem__)
    return tokens, [" ".join(pair) for pair in trained.merges]


def shapes(architecture: str, tied: bool, vocab: int) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape by its name, [out, in]."""
    size = SIZES[architecture]
    width, hidden, rows = size["width"], size["hidden"], size["heads"] * size["channels"]
    shared = size["key_heads"] * size["channels"]
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocab, width), "output_norm.weight": (width,)}
    if not tied:
        found["output.weight"] = (vocab, width)
    if architecture == "gpt2":
        found |= {"position_embd.weight": (CONTEXT, width), "output_norm.bias": (width,)}
    for block in range(BLOCKS):
        own: dict[str, tuple[int, ...]] = {"attn_norm.weight": (width,), "ffn_norm.weight": (width,)}
        own |= {"ffn_up.weight": (hidden, width), "ffn_down.weight": (width, hidden)}
        own["attn_output.weight"] = (width, rows)
        if architecture == "gpt2":
            own |= {"attn_norm.bias": (width,), "ffn_norm.bias": (width,), "attn_output.bias": (width,)}
            own |= {"ffn_up.bias": (hidden,), "ffn_down.bias": (width,)}
            own |= {"attn_qkv.weight": (3 * width, width), "attn_qkv.bias": (3 * width,)}
        else:
            own |= {"attn_q.weight": (rows, width), "attn_k.weight": (shared, width), "attn_v.weight": (shared, width)}
            own["ffn_gate.weight"] = (hidden, width)
        if architecture == "qwen3":
            own |= {"attn_q_norm.weight": (size["channels"],), "attn_k_norm.weight": (size["channels"],)}
        found |= {f"blk.{block}.{name}": shape for name, shape in own.items()}
    return found


def metadata(architecture: str, vocab: int) -> dict[str, Any]:
    """What the file says of the model, by the keys after the architecture's name."""
    size = SIZES[architecture]
    found = {
        "context_length": CONTEXT, "embedding_length": size["width"], "block_count": BLOCKS,
        "feed_forward_length": size["hidden"], "attention.head_count": size["heads"],
    }  # fmt: skip
    if architecture == "gpt2":
        return found | {"attention.layer_norm_epsilon": 1e-5}
    found |= {
        "attention.head_count_kv": size["key_heads"], "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 5000.0, "vocab_size": vocab,
    }  # fmt: skip
    if architecture == "llama":
        return found | {"rope.dimension_count": size["channels"]}
    return found | {"attention.key_length": size["channels"], "attention.value_length": size["channels"]}


def write(
    path: Path,
    architecture: str,
    kind: str = "F32",
    *,
    tied: bool = False,
    pattern: str | None = "gpt-2",
    named: str | None = None,
    changed: dict[str, Any] | None = None,
    tensors: dict[str, np.ndarray | None] | None = None,
) -> Path:
    """Write a random model; matrices are of a `kind`, and `changed` metadata and `tensors` stand over the usual ones.

    A value of None leaves a key or a tensor out; the file may be `named` as of another architecture.
    """
    tokens, merges = vocabulary()
    own = metadata(architecture, len(tokens))
    keys: dict[str, Any] = {f"{architecture}.{key}": value for key, value in own.items()}
    keys |= {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pattern, "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in SPECIAL else 1 for token in tokens],
        "tokenizer.ggml.merges": merges, "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
    }  # fmt: skip
    writer = gguf.GGUFWriter(path, named or architecture)
    for key, value in (keys | (changed or {})).items():
        _add(writer, key, value)
    random = np.random.default_rng(7)
    arrays: dict[str, np.ndarray | None] = {
        name: (random.normal(size=shape) * (0.3 if len(shape) > 1 else 0.2) + name.endswith("norm.weight")).astype("f4")
        for name, shape in shapes(architecture, tied, len(tokens)).items()
    }
    for name, array in (arrays | (tensors or {})).items():
        if array is not None:
            _add_tensor(writer, name, array, GGMLQuantizationType[kind] if array.ndim > 1 else GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensor(writer: gguf.GGUFWriter, name: str, array: np.ndarray, kind: GGMLQuantizationType) -> None:
    """Quantise as far as rows are whole blocks, as llama.cpp does."""
    if array.shape[-1] % GGML_QUANT_SIZES[kind][0]:
        kind = GGMLQuantizationType.F16
    writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, list):
        writer.add_array(key, value)
    else:
        adders = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        adders[type(value)](key, value)
