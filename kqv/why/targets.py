"""Which parts of a model can be changed: tables, heads, whole attentions and feed-forward parts, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from kqv.errors import Error
from kqv.models.attention import Attention
from kqv.models.layers import Embedding
from kqv.models.positions import Sinusoidal
from kqv.why.parts import Part, head_of, in_words, output_of

_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Target:
    """A part with the module that computes it, and of an attention the head, or None for all of them together."""

    part: Part
    path: str
    module: nn.Module
    head: int | None = None

    def hooked(self, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
        """Let what the part gives, `[…, position, channel or model]`, become `change` of it.

        Of a head it is what it mixed of the values, before the projection: that is linear, without the bias.
        """
        if self.head is None:
            return self.module.register_forward_hook(lambda module, inputs, output: change(output))
        attention = self.module
        assert isinstance(attention, Attention)
        channels = attention.heads.channels
        own = slice(self.head * channels, (self.head + 1) * channels)

        def changed(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
            merged = inputs[0].clone()
            merged[..., own] = change(inputs[0][..., own])
            return (merged,)

        return attention.projection.register_forward_pre_hook(changed)


def targets_of(model: nn.Module) -> list[Target]:
    """All of a model's parts that can be changed, in the model's order."""
    return list(_targets(model))


def _targets(model: nn.Module) -> Iterator[Target]:
    for path, module in model.named_modules():
        last = path.rpartition(".")[2]
        if isinstance(module, Attention):
            yield Target(Part(path, in_words(path), "other"), path, module)
            for head in range(module.heads.count):
                yield Target(head_of(path, head), path, module, head)
        elif last == "feed_forward":
            yield Target(output_of(path), path, module)
        elif isinstance(module, (Embedding, Sinusoidal)):
            yield Target(Part(path, in_words(path), "other"), path, module)


def _close(known: list[Target], wanted: str) -> list[Target]:
    """Those whose name begins as the wanted one, or else as it does without its last word."""
    for beginning in (wanted, wanted.rpartition(" ")[0], wanted.rpartition(".")[0]):
        found = [one for one in known if beginning and (one.part.words + " ").startswith(beginning + " ")]
        found = found or [one for one in known if beginning and f"{one.part.name}.".startswith(beginning + ".")]
        if found:
            return found
    return []


def find_target(model: nn.Module, name: str) -> Target:
    """The part of that name, as in a trace (`blocks.5.attention.3`) or in words (`block 5 head 3`).

    Raises `Error` that lists what there is for a name that does not exist.
    """
    known = targets_of(model)
    wanted = " ".join(name.split())
    for target in known:
        if wanted in (target.part.name, target.part.words):
            return target
    names = [target.part.words for target in _close(known, wanted) or known]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise Error(
        f"the model has no part {name!r} that can be changed; there is: {', '.join(names[:_SHOWN])}{more}. A bias is "
        "always the same and not among them"
    )
