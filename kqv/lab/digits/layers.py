"""The layers of a recogniser as the page draws them: which recorded tensors each has, and how they are laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kqv.models.convolutional import Convolution, MaxPooling
from kqv.models.dense import Layer
from kqv.models.recogniser import Recogniser
from kqv.trace.trace import Trace

Kind = Literal["dense", "convolution", "pooling"]


@dataclass(frozen=True)
class LayerView:
    """One layer: its module, the article's number (the input is layer 1) and the names of its tensors in the trace.

    `reads` is the tensor that comes in, laid out as `reads_layout` (rows and columns, or maps, rows and columns, or one
    row of neurons), `a` what goes out, laid out as `layout`. A last layer without an activation has no `a`, a pooling
    no weights.
    """

    module: str
    number: int
    kind: Kind
    activation: str | None
    reads: str
    reads_layout: tuple[int, ...]
    layout: tuple[int, ...]
    z: str | None
    a: str | None
    weight: str | None
    bias: str | None

    @property
    def gives(self) -> str:
        """The tensor that the next layer reads."""
        found = self.a or self.z
        assert found is not None
        return found


def layers_of(model: Recogniser, trace: Trace, shape: tuple[int, int]) -> list[LayerView]:
    """All layers in the order of the pass, for pictures of a shape (rows, columns)."""
    views: list[LayerView] = []
    reads, layout, number = "x", tuple(shape), 1
    for name, module in model.named_modules():
        if isinstance(module, MaxPooling):
            view = _pooling(name, number, reads, layout, trace)
        elif isinstance(module, (Layer, Convolution)):
            number += 1
            view = _with_weights(name, module, number, reads, layout, trace)
        else:
            continue
        views.append(view)
        reads, layout = view.gives, view.layout
    return views


def _pooling(name: str, number: int, reads: str, layout: tuple[int, ...], trace: Trace) -> LayerView:
    pooled = f"{name}.pooled"
    sizes = trace[pooled].sizes[1:]
    return LayerView(name, number, "pooling", None, reads, layout, sizes, None, pooled, None, None)


def _with_weights(
    name: str, module: Layer | Convolution, number: int, reads: str, layout: tuple[int, ...], trace: Trace
) -> LayerView:
    activation = f"{name}.a" if module.activation is not None else None
    return LayerView(
        name, number, "convolution" if isinstance(module, Convolution) else "dense", module.activation, reads, layout,
        trace[f"{name}.z"].sizes[1:], f"{name}.z", activation, f"{name}.weight",
        f"{name}.bias" if module.bias.requires_grad else None,
    )  # fmt: skip


def probabilities_name(model: Recogniser, layers: list[LayerView]) -> str:
    """The tensor that holds the probability of each class."""
    return layers[-1].gives if model.cost == "quadratic" else "confidence"
