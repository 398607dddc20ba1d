"""The third phase: what an optimizer's step made of each weight, with the numbers that it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from kqv.arithmetic import Expression, Index, Operand
from kqv.errors import TraceError
from kqv.trace.explanation import Arithmetic, error_share
from kqv.trace.kept import Kept, unseen
from kqv.trace.location import Location, caller
from kqv.trace.operands import RecordSource, RememberedSource
from kqv.trace.recorder import Recorder
from kqv.trace.records import TensorRecord


class Rule(Protocol):
    """How an optimizer computes a new weight: its name, its formula, and the arithmetic of one element."""

    name: str
    formula: str

    def derive(self, call: Any, index: Index) -> Expression:
        """The arithmetic of one new weight.

        `call.weight`, `call.gradient` and the state's tensors by their names are operands, settings are plain numbers.
        """


@runtime_checkable
class ShownRule(Rule, Protocol):
    """A rule that computes tensors on the way, which are numbers to be explained as well."""

    def derive_shown(self, call: Any, name: str, index: Index) -> tuple[str, Expression]:
        """Formula and arithmetic of one element of such a tensor."""


class Optimizer(Protocol):
    """What `Trace.step` needs of an optimizer to explain its steps; `torch.optim` ones are recorded without formula."""

    def rule_of(self, parameter: nn.Parameter) -> Rule:
        """The rule by which it changes a parameter."""

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that it changes."""

    def state_of(self, parameter: nn.Parameter) -> Mapping[str, Tensor]:
        """What it remembers of a parameter, before the coming step."""

    def settings_of(self, parameter: nn.Parameter) -> Mapping[str, float]:
        """Its settings for a parameter, for the coming step."""

    def shown_step(self) -> Mapping[int, Mapping[str, Tensor]]:
        """Change the parameters; by a parameter's `id` and names what was computed on the way, for its `ShownRule`."""


class UpdateCall:
    """One parameter's update as a rule's derivation sees it."""

    def __init__(self, operands: Mapping[str, Operand], settings: Mapping[str, float]) -> None:
        self.__dict__.update(settings)
        self.__dict__.update(operands)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this update has no weight, gradient, state or setting named {name!r}")


@dataclass
class UpdateRecord:
    """One parameter in one step: the weight before, the gradient, state and settings used, and the weight after."""

    record: TensorRecord
    optimizer: str
    rule: Rule | None
    gradient: Tensor
    state: dict[str, Tensor]
    settings: dict[str, float]
    location: Location
    after: Tensor
    shown: dict[str, Tensor] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.optimizer

    @property
    def parameter(self) -> str:
        """The parameter's name in the trace."""
        return self.record.name

    @property
    def before(self) -> Tensor:
        """The weight that the forward pass used."""
        return self.record.value

    @property
    def formula(self) -> str:
        """The rule's formula, or `""`."""
        return "" if self.rule is None else self.rule.formula

    @property
    def gradient_is_the_passes(self) -> bool:
        """Whether the optimizer used the gradient as this trace saw it, neither clipped nor summed up before."""
        own = self.record.gradient
        return own is not None and own.shape == self.gradient.shape and torch.equal(own, self.gradient)

    def remembered(self, name: str) -> Tensor | None:
        """The state or gradient used under `NAME.velocity`, `NAME.gradient`, and what was computed on the way; None for
        the weight itself."""
        return {"gradient": self.gradient, **self.state, **self.shown}.get(name.removeprefix(f"{self.parameter}."))

    def dimensions_of(self, name: str) -> tuple[str, ...]:
        """The dimensions' names of the weight, or of what is found under `NAME.velocity` and the like."""
        tensor = self.remembered(name)
        same = tensor is None or tuple(tensor.shape) == tuple(self.record.sizes)
        return self.record.dimensions if same else ()

    def story(self, name: str) -> str:
        """Where a remembered tensor is from."""
        own = name.removeprefix(f"{self.parameter}.")
        if own in self.shown and isinstance(self.rule, ShownRule):
            first = (0,) * self.shown[own].dim()
            return f"computed on the way: {self.rule.derive_shown(self._call(), own, first)[0]}"
        if name != f"{self.parameter}.gradient":
            return f"given: what {self.optimizer} remembered of earlier steps"
        if self.gradient_is_the_passes:
            return f"given: the same as grad:{self.parameter}"
        return (
            f"given: what the optimizer found; it is not grad:{self.parameter} of this pass, but clipped or summed up"
        )

    def arithmetic(self, index: Index) -> Arithmetic:
        """The new weight at one place, with the numbers that made it."""
        value, share = float(self.after[index]), error_share(self.after.dtype)
        if self.rule is None:
            formula = f"computed by {self.optimizer}, whose formula is not known here"
            return Arithmetic(value, self.optimizer, formula, self.location)
        share = max(share, error_share(*(tensor.dtype for tensor in self.shown.values())))
        expression = self.rule.derive(self._call(), index)
        return Arithmetic(value, self.rule.name, self.rule.formula, self.location, expression, share)

    def arithmetic_of(self, name: str, index: Index) -> Arithmetic:
        """The same for any number of the update: a new weight, what was remembered, or what was computed on the way."""
        tensor = self.remembered(name)
        if tensor is None:
            return self.arithmetic(index)
        value, own = float(tensor[index]), name.removeprefix(f"{self.parameter}.")
        if own not in self.shown or not isinstance(self.rule, ShownRule):
            return Arithmetic(value, "given", self.story(name))
        formula, expression = self.rule.derive_shown(self._call(), own, index)
        share = error_share(*(tensor.dtype for tensor in self.shown.values()))
        return Arithmetic(value, self.rule.name, formula, self.location, expression, share)

    def _call(self) -> UpdateCall:
        return UpdateCall(self._operands(), self.settings)

    def _operands(self) -> dict[str, Operand]:
        dimensions, own = self.record.dimensions, self.gradient_is_the_passes
        used = RecordSource(self.record, of_gradient=True) if own else self._source("gradient", self.gradient)
        found = {name: Operand(self._source(name, tensor)) for name, tensor in {**self.state, **self.shown}.items()}
        assert len(dimensions) in (0, len(self.record.sizes))
        return {**found, "weight": Operand(RecordSource(self.record)), "gradient": Operand(used)}

    def _source(self, name: str, tensor: Tensor) -> RememberedSource:
        return RememberedSource(f"{self.parameter}.{name}", tensor, self.dimensions_of(f"{self.parameter}.{name}"))


def take_step(
    optimizer: Optimizer | torch.optim.Optimizer, recorder: Recorder, name_of: Callable[[Tensor], str]
) -> list[UpdateRecord]:
    """Run an optimizer's step and record what it did; the recorded parameters keep the values that they had before."""
    with unseen():  # what the optimizer computes is no part of the model
        return _take_step(optimizer, recorder, name_of, caller())


def _take_step(
    optimizer: Any, recorder: Recorder, name_of: Callable[[Tensor], str], location: Location
) -> list[UpdateRecord]:
    described = [
        _before(optimizer, p, recorder, name_of, location) for p in _parameters(optimizer) if p.grad is not None
    ]
    if not described:
        raise TraceError("no parameter of the optimizer has a gradient; call backward() before trace.step(optimizer)")
    shown = {} if isinstance(optimizer, torch.optim.Optimizer) else optimizer.shown_step()
    if isinstance(optimizer, torch.optim.Optimizer):
        optimizer.step()
    for parameter, before, update in described:
        update.shown = dict(shown.get(id(parameter), {}))
        _keep_before(recorder, parameter, before)
        update.after = parameter.detach().clone()
        recorder.forget(parameter)
        recorder.record(parameter, kind="parameter").producer = update
    return [update for _, _, update in described]


def _parameters(optimizer: Any) -> list[nn.Parameter]:
    if isinstance(optimizer, torch.optim.Optimizer):
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return list(optimizer.parameters())


def _before(
    optimizer: Any, parameter: nn.Parameter, recorder: Recorder, name_of: Callable[[Tensor], str], location: Location
) -> tuple[nn.Parameter, Tensor, UpdateRecord]:
    """What there is before the step: the weight, and everything that the optimizer will use."""
    record = recorder.record(parameter, kind="parameter")
    if not record.names:
        recorder.name_parameter(record, name_of(parameter))
    if isinstance(optimizer, torch.optim.Optimizer):
        rule, (state, settings) = None, _read(optimizer, parameter)
    else:
        rule, state, settings = (
            optimizer.rule_of(parameter),
            optimizer.state_of(parameter),
            optimizer.settings_of(parameter),
        )
    gradient = parameter.grad
    assert gradient is not None
    kept = {name: tensor.detach().clone() for name, tensor in state.items()}
    before = parameter.detach().clone()
    name = type(optimizer).__name__ if rule is None else rule.name
    update = UpdateRecord(record, name, rule, gradient.detach().clone(), kept, dict(settings), location, before)
    return parameter, before, update


def _read(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> tuple[dict[str, Tensor], dict[str, float]]:
    """State and settings of an optimizer of PyTorch."""
    group = next(group for group in optimizer.param_groups if any(p is parameter for p in group["params"]))
    settings = {name: float(value) for name, value in group.items() if isinstance(value, (int, float))}
    known = optimizer.state.get(parameter, {})
    state = {
        name: value for name, value in known.items() if isinstance(value, Tensor) and value.shape == parameter.shape
    }
    return state, settings


def _keep_before(recorder: Recorder, parameter: nn.Parameter, before: Tensor) -> None:
    """Let the records of a parameter, and of its unnamed views, keep the numbers from before the step."""
    storage = parameter.untyped_storage().data_ptr()
    for record in recorder.records:
        tensor = record.tensor
        if tensor is parameter:
            record.kept = Kept.of(before)
        elif record.kind == "activation" and tensor.untyped_storage().data_ptr() == storage and storage:
            offset = tensor.storage_offset() - parameter.storage_offset()
            record.kept = Kept.of(before.as_strided(tensor.shape, tensor.stride(), offset))
