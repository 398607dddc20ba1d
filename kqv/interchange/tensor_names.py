"""Which tensors of Hugging Face's layout are which of ours: the same numbers, joined or turned over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kqv.models.bert import BERT
from kqv.models.gpt import GPT

Modules = dict[str, tuple[str, ...]]

GPT2_MODULES: Modules = {
    "tokens": ("wte",),
    "positions": ("wpe",),
    "norm": ("ln_f",),
    "unembedding": ("lm_head",),
    "blocks.*.attention_norm": ("h.*.ln_1",),
    "blocks.*.attention.query_key_value": ("h.*.attn.c_attn",),
    "blocks.*.attention.projection": ("h.*.attn.c_proj",),
    "blocks.*.feed_forward_norm": ("h.*.ln_2",),
    "blocks.*.feed_forward.widen": ("h.*.mlp.c_fc",),
    "blocks.*.feed_forward.narrow": ("h.*.mlp.c_proj",),
}
LLAMA_MODULES: Modules = {
    "tokens": ("embed_tokens",),
    "norm": ("norm",),
    "unembedding": ("lm_head",),
    "blocks.*.attention_norm": ("layers.*.input_layernorm",),
    "blocks.*.attention.query_key_value": tuple(f"layers.*.self_attn.{letter}_proj" for letter in "qkv"),
    "blocks.*.attention.projection": ("layers.*.self_attn.o_proj",),
    "blocks.*.feed_forward_norm": ("layers.*.post_attention_layernorm",),
    "blocks.*.feed_forward.widen": ("layers.*.mlp.gate_proj", "layers.*.mlp.up_proj"),
    "blocks.*.feed_forward.narrow": ("layers.*.mlp.down_proj",),
}
QWEN3_MODULES: Modules = LLAMA_MODULES | {
    "blocks.*.attention.query_norm": ("layers.*.self_attn.q_norm",),
    "blocks.*.attention.key_norm": ("layers.*.self_attn.k_norm",),
}
BERT_MODULES: Modules = {
    "tokens": ("embeddings.word_embeddings",),
    "types": ("embeddings.token_type_embeddings",),
    "positions": ("embeddings.position_embeddings",),
    "embedding_norm": ("embeddings.LayerNorm",),
    "blocks.*.attention.query_key_value": tuple(
        f"encoder.layer.*.attention.self.{name}" for name in ("query", "key", "value")
    ),
    "blocks.*.attention.projection": ("encoder.layer.*.attention.output.dense",),
    "blocks.*.attention_norm": ("encoder.layer.*.attention.output.LayerNorm",),
    "blocks.*.feed_forward.widen": ("encoder.layer.*.intermediate.dense",),
    "blocks.*.feed_forward.narrow": ("encoder.layer.*.output.dense",),
    "blocks.*.feed_forward_norm": ("encoder.layer.*.output.LayerNorm",),
}
MODULES: dict[str, Modules] = {
    "gpt2": GPT2_MODULES, "llama": LLAMA_MODULES, "qwen3": QWEN3_MODULES, "bert": BERT_MODULES
}  # fmt: skip
"""For each family our modules, and theirs that hold the same; of several the rows stand one below the other."""

PREFIXES = {"gpt2": "transformer.", "llama": "model.", "qwen3": "model.", "bert": "bert."}
"""What stands before all names but the head's, in files of a model with a head."""

HEAD = "lm_head.weight"
"""The head's table, which is the tokens' where a model ties them."""

PASSED_OVER = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
"""Ends of names of tensors that hold no weights: masks and angles, which older files have."""

BERT_PASSED_OVER = ("embeddings.position_ids", "pooler.", "cls.", "classifier.", "qa_outputs.")
"""Beginnings of names that hold no weights of the encoder: numbers of positions, and heads, of which none is read."""


@dataclass(frozen=True)
class Entry:
    """One tensor of ours, and theirs that it is joined of, row by row, with how many rows each has.

    `turned`: GPT-2's maps stand there as `[in, out]`. Without `ours_exists` they are biases, which GPT-2 always has
    there, and zero.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...]
    turned: bool
    ours_exists: bool = True


def stored_names(family: str, names: Iterable[str]) -> dict[str, str]:
    """The names of tensors in a model's files, by how `MODULES` has them; without those that are passed over.

    BERT's oldest files call a norm's weight and bias gamma and beta.
    """
    found = {name.removeprefix(PREFIXES[family]): name for name in names if not name.endswith(PASSED_OVER)}
    if family != "bert":
        return found
    return {
        re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", short)): name
        for short, name in found.items()
        if not short.startswith(BERT_PASSED_OVER)
    }


def entries(family: str, model: GPT | BERT) -> Iterator[Entry]:
    """All tensors of a model of a family, with those that only the other layout has."""
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    for module, there in MODULES[family].items():
        for number in range(len(model.blocks)) if "*" in module else [0]:
            ours, theirs = (module.replace("*", str(number)), [name.replace("*", str(number)) for name in there])
            weight = shapes.get(f"{ours}.weight")
            if weight is None:  # a tied head
                continue
            turned = family == "gpt2" and module.startswith("blocks") and len(weight) == 2
            rows = (weight[0],) if len(there) == 1 else _shares(module, weight[0], model)
            yield Entry(f"{ours}.weight", tuple(f"{name}.weight" for name in theirs), rows, turned)
            exists = f"{ours}.bias" in shapes
            if exists or (family == "gpt2" and (module.startswith("blocks") or module == "norm")):
                yield Entry(f"{ours}.bias", tuple(f"{name}.bias" for name in theirs), rows, False, exists)


def _shares(module: str, rows: int, model: GPT | BERT) -> tuple[int, ...]:
    """How the rows of a joined tensor are shared by theirs."""
    if module.endswith("query_key_value"):
        return model.heads.widths
    return rows // 2, rows // 2  # gates, and what they gate
