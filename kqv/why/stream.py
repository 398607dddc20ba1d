"""The stream at one position as the sum that it is: embeddings, heads, feed-forward parts and biases.

The sum is read from a trace, backwards: an addition is the sum of what was added, a scale and a norm are applied to
each part (the norm's own factor held as it was), and what else made a tensor is a part of its own. So it is right for
every architecture: norms before or after, one text or two, with positions that are added or turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.models.attention import Attention
from kqv.recording import unseen
from kqv.trace.records import CallRecord, TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.views.attention import axis_words
from kqv.trace.views.words import readable
from kqv.why.parts import Part, bias_of, head_of, output_of, table_of


@dataclass(frozen=True, eq=False)
class Sum:
    """A vector as a sum: `vectors[part, channel]` in float64, one for each of `parts`."""

    parts: tuple[Part, ...]
    vectors: Tensor

    @classmethod
    def of(cls, terms: Iterable[tuple[Part, Tensor]]) -> Sum:
        """The sum of some vectors; those of one part are added."""
        found: dict[Part, Tensor] = {}
        for part, vector in terms:
            found[part] = found[part] + vector if part in found else vector
        return cls(tuple(found), torch.stack(list(found.values())))

    @property
    def total(self) -> Tensor:
        """The vector itself, `[channel]`."""
        return self.vectors.sum(0)

    def __add__(self, other: Sum) -> Sum:
        return Sum.of([*self.terms(), *other.terms()])

    def terms(self) -> Iterable[tuple[Part, Tensor]]:
        """Each part with its vector."""
        return zip(self.parts, self.vectors, strict=True)

    def mapped(self, linear: Callable[[Tensor], Tensor], bias: Tensor | None = None, of: str = "") -> Sum:
        """The sum after a linear map of its vectors, and a bias, which is a part by itself, of the module `of`."""
        found = Sum(self.parts, linear(self.vectors))
        return found if bias is None else found + Sum.of([(bias_of(of), exact(bias))])


def exact(tensor: Tensor) -> Tensor:
    """A tensor's numbers in float64 on the CPU."""
    return tensor.detach().to("cpu", torch.float64)


def call_at(trace: Trace, path: str, operation: str) -> CallRecord:
    """The last call of an operation in the module at a path; `TraceError` where the trace has none."""
    for call in reversed(trace.recorder.calls):
        if call.path == path and call.operation.name == operation:
            return call
    raise TraceError(f"the trace has no {operation} in {path or 'the model itself'}")


def stream_at(trace: Trace, record: TensorRecord, position: int) -> Sum:
    """A tensor `[…, position, model]` of a trace of one text, at one position, as a sum of what wrote it."""
    with unseen():
        return _Reader(trace, position).read(record)


class _Reader:
    """Reads the sum at one position."""

    def __init__(self, trace: Trace, position: int) -> None:
        self.trace, self.position = trace, position

    def read(self, record: TensorRecord) -> Sum:
        """The sum that made a tensor, at the position."""
        call = record.producer
        if isinstance(call, CallRecord):
            match call.operation.name:
                case "add":
                    return self.read(_given(call, 0)) + self.read(_given(call, 1))
                case "scale":
                    factor = float(call.options["factor"])
                    return self.read(_given(call, 0)).mapped(lambda vectors: vectors * factor)
                case "layer_norm" | "rms_norm":
                    return self._normed(call)
                case "linear":
                    return self._projected(call)
                case "embedding" | "sinusoidal":
                    return Sum.of([(table_of(call.path, self.position, self._word(record)), self.row(record))])
        return Sum.of([(output_of(record.name), self.row(record))])

    def row(self, record: TensorRecord) -> Tensor:
        """A tensor's numbers at the position, `[model]`."""
        value = record.value
        return exact(value.reshape(-1, *value.shape[-2:])[0, self.position])

    def _word(self, record: TensorRecord) -> str:
        if len(record.dimensions) < 2:
            return str(self.position)
        return readable(axis_words(self.trace, record, record.dimensions[-2])[self.position])

    def _normed(self, call: CallRecord) -> Sum:
        """γ·(x − μ)/√(σ² + ε) + β of each part of x with the σ of the whole; without μ where it is an RMS norm.

        The mean of a sum is the sum of the means, so centring goes into each part; the root is a number, held.
        """
        x, weight = self.row(_given(call, 0)), exact(_given(call, 1).value)
        centres = call.operation.name == "layer_norm"
        centred = x - x.mean() if centres else x
        factor = weight / (centred.square().mean() + _epsilon(call)).sqrt()

        def norm(vectors: Tensor) -> Tensor:
            return (vectors - vectors.mean(-1, keepdim=True) if centres else vectors) * factor

        bias = call.inputs[2] if len(call.inputs) > 2 else None
        return self.read(_given(call, 0)).mapped(norm, None if bias is None else bias.value, call.path)

    def _projected(self, call: CallRecord) -> Sum:
        """What a projection writes: of an attention head by head, of all else as one; its bias by itself."""
        owner = call.path.rpartition(".")[0]
        x, weight = self.row(_given(call, 0)), exact(_given(call, 1).value)
        attention = self.trace.model.get_submodule(owner) if self.trace.model is not None and owner else None
        if isinstance(attention, Attention):
            heads, channels = attention.heads.count, attention.heads.channels
            written = torch.einsum("hc,mhc->hm", x.view(heads, channels), weight.view(-1, heads, channels))
            found = Sum(tuple(head_of(owner, head) for head in range(heads)), written)
        else:
            found = Sum.of([(output_of(owner or call.path), weight @ x)])
        bias = call.inputs[2] if len(call.inputs) > 2 else None
        return found.mapped(lambda vectors: vectors, None if bias is None else bias.value, owner or call.path)


def _epsilon(call: CallRecord) -> float:
    return float({**call.operation.options, **call.options}["epsilon"])


def _given(call: CallRecord, position: int) -> TensorRecord:
    record = call.inputs[position]
    assert record is not None
    return record
