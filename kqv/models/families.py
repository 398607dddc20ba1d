"""Families of models: the parts of GPT that make GPT-2, Llama or Qwen3, and which of them a composition is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kqv.models.gpt import GPT


@dataclass(frozen=True)
class Family:
    """A family's name, its parts by their names in `GPT`, and which other ones a part may be in it."""

    name: str
    title: str
    parts: Mapping[str, Any]
    also: Mapping[str, tuple[Any, ...]]

    def differences(self, model: GPT) -> list[str]:
        """The parts of a model that the family does not have, in words; none for one of the family."""
        found = [
            f"{part} {model.parts[part]}"
            for part, usual in self.parts.items()
            if part not in FREE and model.parts[part] not in (usual, *self.also.get(part, ()))
        ]
        if self.parts["positions"] == "learned":  # GPT-2 came before these
            if model.key_heads != model.heads:
                found.append(f"key_heads {model.key_heads}")
            if model.channels * model.heads != model.model:
                found.append(f"channels {model.channels}")
        return found


FREE = frozenset({"bias", "epsilon", "rotary_base", "tied"})
"""Parts that differ inside a family."""

GPT2 = Family(
    "gpt2",
    "GPT-2",
    {
        "positions": "learned", "norm": "layer", "epsilon": 1e-5, "feed_forward": "gelu-tanh", "query_key_norm": False,
        "bias": True, "tied": True,
    },
    also={"feed_forward": ("gelu",)},
)  # fmt: skip
"""Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3."""

LLAMA = Family(
    "llama",
    "Llama",
    {
        "positions": "rotary", "rotary_base": 10_000.0, "norm": "rms", "epsilon": 1e-5, "feed_forward": "swiglu",
        "query_key_norm": False, "bias": False, "tied": False,
    },
    also={},
)  # fmt: skip
"""Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, section 2.2."""

QWEN3 = Family(
    "qwen3",
    "Qwen3",
    {
        "positions": "rotary", "rotary_base": 1_000_000.0, "norm": "rms", "epsilon": 1e-6, "feed_forward": "swiglu",
        "query_key_norm": True, "bias": False, "tied": True,
    },
    also={},
)  # fmt: skip
"""Yang et al. 2025, Qwen3 Technical Report, section 2. (Its small models tie the head, the large ones do not.)"""

FAMILIES: dict[str, Family] = {family.name: family for family in (GPT2, LLAMA, QWEN3)}
"""All families by name."""


def family_of(model: GPT) -> Family | None:
    """The family that a model is of by its parts; None for a mixture."""
    return next((family for family in FAMILIES.values() if not family.differences(model)), None)
