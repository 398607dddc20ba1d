"""Families of models: the parts that make GPT-2, Llama, Qwen3 or BERT, and which of them an architecture is.

A family says of every field of `Architecture` what it allows; what it does not speak of, it does not have. So a part
that is new is of no family until one says so, and no model with it is exported as another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kqv.models.architecture import Architecture
from kqv.models.scores import usual_scale

Allowed = tuple[Any, ...] | Callable[[Architecture], bool]
"""The values that a field may have, or whether an architecture's is one of them."""


def anything(architecture: Architecture) -> bool:
    """For what differs inside a family."""
    return True


@dataclass(frozen=True)
class Family:
    """A family's name, the parts that make it (the other fields are sizes), and what it allows of each field."""

    name: str
    title: str
    parts: Mapping[str, Any]
    allowed: Mapping[str, Allowed]

    @property
    def architecture(self) -> Architecture:
        """The family's parts, in the usual small size."""
        return Architecture(**self.parts)

    def differences(self, architecture: Architecture) -> list[str]:
        """What an architecture has and the family has not, in words; nothing for one of the family."""
        found = architecture.resolved()
        return [
            _in_words(field.name, getattr(found, field.name))
            for field in fields(found)
            if not self._allows(field.name, found)
        ]

    def _allows(self, field: str, architecture: Architecture) -> bool:
        allowed = self.allowed.get(field, ())
        return getattr(architecture, field) in allowed if isinstance(allowed, tuple) else allowed(architecture)


WORDS = {
    "positions": "{} positions", "block": "{} blocks", "norm": "{} norm", "residual": "{} residual",
    "score": "{} score", "scale": "{} scale", "mask": "{} mask",
    "normaliser": "{} normaliser", "feed_forward": "{} in its feed-forward part",
}  # fmt: skip
"""How a message speaks of a part; of the others it says name and value."""

YES_OR_NO = {
    "bias": "biases in its feed-forward part and norms",
    "query_key_norm": "norm of queries and keys",
    "attention_bias": "biases in its attention",
    "tied": "head that is tied to the tokens",
}


WITHOUT = {
    "positions": "model without positions", "norm": "blocks without norms", "residual": "blocks without residuals",
    "score": "attention without scores", "scale": "scores without a scale", "mask": "attention without a mask",
}  # fmt: skip
"""The same of a part that is none."""


def _in_words(field: str, value: Any) -> str:
    if value == "none" and field in WITHOUT:
        return WITHOUT[field]
    if field in YES_OR_NO:
        return YES_OR_NO[field] if value else f"model without {YES_OR_NO[field]}"
    return WORDS.get(field, f"{field} {{}}").format(value)


FREE: dict[str, Allowed] = dict.fromkeys(
    (
        "context", "width", "heads", "blocks", "hidden",  # sizes
        "dropout", "attention_dropout", "initialisation",  # how it is trained
        "epsilon", "tied",  # a number, and a head, that each file says
        "window",  # of a mask that none of them has
        "period",  # None, where positions are not periodic
    ),
    anything,
)  # fmt: skip
"""What differs inside every family."""


def _has_the_usual_scale(architecture: Architecture) -> bool:
    return architecture.scale == usual_scale(architecture.score)


ATTENTION: dict[str, Allowed] = {
    "block": ("pre-norm",), "residual": ("add",), "score": ("dot",), "scale": _has_the_usual_scale, "mask": ("past",),
    "normaliser": ("softmax",),
}  # fmt: skip
"""What is the same in all of them."""


def _own_keys(architecture: Architecture) -> bool:
    return architecture.key_heads == architecture.heads


def _shares_the_width(architecture: Architecture) -> bool:
    return architecture.shared().channels * architecture.heads == architecture.width


GPT2 = Family(
    "gpt2",
    "GPT-2",
    {
        "positions": "learned", "norm": "layer", "epsilon": 1e-5, "feed_forward": "gelu-tanh", "query_key_norm": False,
        "bias": True, "tied": True,
    },
    {
        **FREE, **ATTENTION, "positions": ("learned",), "norm": ("layer",), "feed_forward": ("gelu-tanh", "gelu"),
        "query_key_norm": (False,), "key_heads": _own_keys, "channels": _shares_the_width,
        "rotary_base": anything,  # nothing is turned
        "bias": anything, "attention_bias": anything,  # a bias that is left out is written as zeros
    },
)  # fmt: skip
"""Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3."""

ROTARY: dict[str, Allowed] = {
    **FREE, **ATTENTION, "positions": ("rotary",), "rotary_base": anything, "norm": ("rms",),
    "feed_forward": ("swiglu",), "key_heads": anything, "channels": anything, "attention_bias": anything,
}  # fmt: skip
"""What Llama and Qwen3 have in common."""

LLAMA = Family(
    "llama",
    "Llama",
    {
        "positions": "rotary", "rotary_base": 10_000.0, "norm": "rms", "epsilon": 1e-5, "feed_forward": "swiglu",
        "query_key_norm": False, "bias": False, "tied": False,
    },
    {**ROTARY, "query_key_norm": (False,), "bias": anything},
)  # fmt: skip
"""Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, section 2.2."""

QWEN3 = Family(
    "qwen3",
    "Qwen3",
    {
        "positions": "rotary", "rotary_base": 1_000_000.0, "norm": "rms", "epsilon": 1e-6, "feed_forward": "swiglu",
        "query_key_norm": True, "bias": False, "tied": True,
    },
    {**ROTARY, "query_key_norm": (True,), "bias": (False,)},
)  # fmt: skip
"""Yang et al. 2025, Qwen3 Technical Report, section 2. (Its small models tie the head, the large ones do not.)"""

BERT = Family(
    "bert",
    "BERT",
    {
        "positions": "learned", "block": "post-norm", "mask": "none", "norm": "layer", "epsilon": 1e-12,
        "feed_forward": "gelu", "query_key_norm": False, "bias": True,
    },
    {
        **FREE, **ATTENTION, "block": ("post-norm",), "mask": ("none",),
        "positions": ("learned",), "norm": ("layer",), "feed_forward": ("gelu", "gelu-tanh", "relu"),
        "query_key_norm": (False,), "key_heads": _own_keys, "channels": _shares_the_width,
        "rotary_base": anything,  # nothing is turned
        "bias": (True,), "attention_bias": (True,),
    },
)  # fmt: skip
"""Devlin et al. 2019, BERT, section 3; an encoder, `kqv.models.bert`, and so none of the GPTs below."""

FAMILIES: dict[str, Family] = {family.name: family for family in (GPT2, LLAMA, QWEN3)}
"""All families of GPTs by name."""


def family_of(architecture: Architecture) -> Family | None:
    """The family that an architecture is of by its parts; None for a mixture."""
    return next((family for family in FAMILIES.values() if not family.differences(architecture)), None)
