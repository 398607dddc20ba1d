"""A GGUF file's tensors by Hugging Face's names, in Hugging Face's order of rows: read and written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from kqv.errors import DataError
from kqv.interchange.gguf_file import GGUFFile
from kqv.models.heads import Heads

ROTARY_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "blk.*.attn_norm": "model.layers.*.input_layernorm",
    "blk.*.attn_q": "model.layers.*.self_attn.q_proj",
    "blk.*.attn_k": "model.layers.*.self_attn.k_proj",
    "blk.*.attn_v": "model.layers.*.self_attn.v_proj",
    "blk.*.attn_q_norm": "model.layers.*.self_attn.q_norm",
    "blk.*.attn_k_norm": "model.layers.*.self_attn.k_norm",
    "blk.*.attn_output": "model.layers.*.self_attn.o_proj",
    "blk.*.ffn_norm": "model.layers.*.post_attention_layernorm",
    "blk.*.ffn_gate": "model.layers.*.mlp.gate_proj",
    "blk.*.ffn_up": "model.layers.*.mlp.up_proj",
    "blk.*.ffn_down": "model.layers.*.mlp.down_proj",
}
LEARNED_NAMES = {
    "token_embd": "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    "output": "lm_head",
    "blk.*.attn_norm": "transformer.h.*.ln_1",
    "blk.*.attn_qkv": "transformer.h.*.attn.c_attn",
    "blk.*.attn_output": "transformer.h.*.attn.c_proj",
    "blk.*.ffn_norm": "transformer.h.*.ln_2",
    "blk.*.ffn_up": "transformer.h.*.mlp.c_fc",
    "blk.*.ffn_down": "transformer.h.*.mlp.c_proj",
}
NAMES = {"llama": ROTARY_NAMES, "qwen3": ROTARY_NAMES, "gpt2": LEARNED_NAMES}
"""For each architecture their names of modules, and Hugging Face's."""

TABLE, HEAD, SCALING = "token_embd.weight", "output.weight", "rope_freqs.weight"
POSITIONS = "position_embd.weight"

_BLOCK, _NUMBER = re.compile(r"blk\.(\d+)\."), re.compile(r"\.(\d+)\.")


class GGUFTensors:
    """The tensors of a GGUF file of an architecture, with so many `heads` of queries and `key_heads` of keys.

    Llama's queries and keys lie there for a rotation of neighbouring channels; here it turns the two halves of a head,
    so their rows are put back into that order. GPT-2's maps lie there as [out, in], and Hugging Face has [in, out].
    """

    description = "metadata"

    def __init__(self, file: GGUFFile, architecture: str, heads: int, key_heads: int) -> None:
        self.file, self.architecture = file, architecture
        self.origin = self.described_in = str(file.path)
        self.heads = _turned_heads(architecture, heads, key_heads)
        self._stored = {self._named(name): name for name in file.extents if not self._is_passed_over(name)}

    def names(self) -> Collection[str]:
        """The names of all tensors."""
        return self._stored.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape as Hugging Face has it."""
        shape = self.file.extents[self._stored[name]].shape
        return shape[::-1] if self._is_turned(name) else shape

    def read(self, name: str) -> Tensor:
        """A tensor, dequantised to float32."""
        tensor = self.file.read(self._stored[name])
        if self._is_turned(name):
            return tensor.T
        heads = self.heads.get(name.split(".")[-2])
        return tensor if heads is None else _halves(tensor, heads)

    def _named(self, name: str) -> str:
        """Hugging Face's name. Raises `DataError` for a tensor that the architecture does not have."""
        module, _, last = name.rpartition(".")
        number = _BLOCK.match(module)
        found = NAMES[self.architecture].get(_BLOCK.sub("blk.*.", module))
        if found is None:
            raise DataError(f"{self.origin} has a tensor {name}, which {self.architecture} does not have here")
        return f"{found.replace('*', number[1]) if number else found}.{last}"

    def _is_turned(self, name: str) -> bool:
        return self.architecture == "gpt2" and name.startswith("transformer.h.") and self._dimensions(name) == 2

    def _dimensions(self, name: str) -> int:
        return len(self.file.extents[self._stored[name]].shape)

    def _is_passed_over(self, name: str) -> bool:
        """Whether a tensor changes nothing. Raises `DataError` for factors that scale the angles."""
        if name == SCALING:
            if not bool((self.file.read(name) == 1).all()):
                raise DataError(f"{self.origin}: {SCALING} scales the angles of positions, which is not supported")
            return True
        return name == HEAD and is_tied(self.file)


def stored(architecture: str, tensors: Mapping[str, Tensor], heads: Heads) -> dict[str, Tensor]:
    """Tensors by Hugging Face's names as a GGUF file has them: what `GGUFTensors` does, the other way round."""
    names = {theirs: name for name, theirs in NAMES[architecture].items()}
    counts = _turned_heads(architecture, heads.count, heads.key_heads)
    found: dict[str, Tensor] = {}
    for full, tensor in tensors.items():
        module, _, last = full.rpartition(".")
        number = _NUMBER.search(module)
        name = names[_NUMBER.sub(".*.", module, count=1)]
        if architecture == "gpt2" and number is not None and tensor.dim() == 2:
            tensor = tensor.T
        count = counts.get(module.split(".")[-1])
        name = f"{name.replace('*', number[1]) if number else name}.{last}"
        found[name] = (tensor if count is None else _pairs(tensor, count)).contiguous()
    return found


def is_tied(file: GGUFFile) -> bool:
    """Whether the head is the table of tokens: it is missing in the file, or a copy of the table."""
    if HEAD not in file.extents:
        return True
    head, table = file.extents[HEAD], file.extents[TABLE]
    alike = (head.type, head.shape) == (table.type, table.shape)
    return alike and torch.equal(file.read(HEAD), file.read(TABLE))


def _turned_heads(architecture: str, heads: int, key_heads: int) -> dict[str, int]:
    """The maps whose rows stand in another order there, and how many heads they have."""
    return {"q_proj": heads, "k_proj": key_heads} if architecture == "llama" else {}


def _pairs(rows: Tensor, heads: int) -> Tensor:
    """Rows `[head 2 channel/2, ...]`, one half after the other, as `[head channel/2 2, ...]`."""
    return rows.view(heads, 2, -1, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _halves(rows: Tensor, heads: int) -> Tensor:
    """Rows `[head channel/2 2, ...]`, pairs one after the other, as `[head 2 channel/2, ...]`."""
    return rows.view(heads, -1, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
