"""The third phase: what an optimizer's step made of each weight, with the numbers that it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from kqv.arithmetic import Expression, Index
from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.kept import Kept
from kqv.trace.location import Location, definition
from kqv.trace.recorder import Recorder
from kqv.trace.records import Producer, TensorRecord


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


@runtime_checkable
class Clipping(Protocol):
    """An optimizer that may bring the gradients down before its step."""

    clip: float | None

    def clip_gradients(self) -> Tensor | None:
        """Bring the gradients' common norm down to `clip`; gives the norm that they had, None without a clip."""


@runtime_checkable
class Placed(Protocol):
    """An optimizer that knows which step of a training it makes next."""

    occasion: str


class UpdateCall:
    """One parameter's update as a rule's derivation sees it."""

    def __init__(self, operands: Mapping[str, Any], settings: Mapping[str, float]) -> None:
        self.__dict__.update(settings)
        self.__dict__.update(operands)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this update has no weight, gradient, state or setting named {name!r}")


@dataclass(frozen=True)
class Clip:
    """How a step brought the gradients down: g' = g·most/(‖g‖ + ε) where the norm ‖g‖ of all together is above `most`.

    `norm` is ‖g‖, `norms` those of each parameter's gradient, by its name.
    """

    most: float
    norm: Tensor
    norms: dict[str, Tensor]

    EPSILON = 1e-6
    """PyTorch's `clip_grad_norm_` adds this to the norm."""

    @property
    def is_active(self) -> bool:
        """Whether it changed the gradients."""
        return float(self.norm) + self.EPSILON > self.most


NORM = "gradient_norm"
"""`update:gradient_norm` is the norm of all gradients together, `update:NAME.gradient_norm` that of one parameter's."""


@dataclass
class UpdateRecord(Producer):
    """One parameter in one step: the weight before, the gradient, state and settings used, and the weight after.

    `unclipped` is the gradient as the backward pass left it, `gradient` the one that the rule took.
    """

    record: TensorRecord
    rule: Rule | None
    name: str
    formula: str
    location: Location
    unclipped: Tensor
    state: dict[str, Tensor]
    settings: dict[str, float]
    after: Tensor
    path: str = ""
    shown: dict[str, Tensor] = field(default_factory=dict)
    clip: Clip | None = None
    gradient: Tensor = field(init=False)
    occasion: str = ""

    def __post_init__(self) -> None:
        self.gradient = self.unclipped

    @property
    def parameter(self) -> str:
        """The parameter's name in the trace."""
        return self.record.name

    @property
    def before(self) -> Tensor:
        """The weight that the forward pass used."""
        return self.record.value

    @property
    def is_clipped(self) -> bool:
        """Whether the step brought the gradient down."""
        return self.clip is not None and self.clip.is_active

    @property
    def gradient_is_the_passes(self) -> bool:
        """Whether the step began with the gradient as this trace saw it, neither changed nor summed up before."""
        own = self.record.gradient
        return own is not None and own.shape == self.unclipped.shape and torch.equal(own, self.unclipped)

    def remembered(self, name: str) -> Tensor | None:
        """The state or gradient used under `NAME.velocity`, `NAME.gradient`, and what was computed on the way; None for
        the weight itself."""
        if name == NORM:
            return None if self.clip is None else self.clip.norm
        own = name.removeprefix(f"{self.parameter}.")
        if own == NORM and self.clip is not None:
            return self.clip.norms[self.parameter]
        return self.tensors().get(own)

    def tensors(self) -> dict[str, Tensor]:
        """The gradient, the state, and what was computed on the way, by their own names."""
        return {"gradient": self.gradient, **self.state, **self.shown}

    def dimensions_of(self, name: str) -> tuple[str, ...]:
        """The dimensions' names of the weight, or of what is found under `NAME.velocity` and the like."""
        tensor = self.remembered(name)
        same = tensor is None or tuple(tensor.shape) == tuple(self.record.sizes)
        return self.record.dimensions if same else ()


def take_step(
    optimizer: Optimizer | torch.optim.Optimizer, recorder: Recorder, name_of: Callable[[Tensor], str]
) -> list[UpdateRecord]:
    """Run an optimizer's step and record what it did; the recorded parameters keep the values that they had before."""
    with unseen():  # what the optimizer computes is no part of the model
        return _take_step(optimizer, recorder, name_of)


def _take_step(optimizer: Any, recorder: Recorder, name_of: Callable[[Tensor], str]) -> list[UpdateRecord]:
    described = [_before(optimizer, p, recorder, name_of) for p in _parameters(optimizer) if p.grad is not None]
    if not described:
        raise TraceError("no parameter of the optimizer has a gradient; call backward() before trace.step(optimizer)")
    clip = _clipped(optimizer, [update for _, _, update in described])
    for parameter, _, update in described:
        update.clip, gradient = clip, parameter.grad
        if update.is_clipped and gradient is not None:
            update.gradient = gradient.detach().clone()
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


def _clipped(optimizer: Any, updates: list[UpdateRecord]) -> Clip | None:
    """Let the optimizer bring the gradients down, as its training does before each step."""
    if not isinstance(optimizer, Clipping) or optimizer.clip is None:
        return None
    norms = {update.parameter: torch.linalg.vector_norm(update.unclipped) for update in updates}
    norm = optimizer.clip_gradients()
    assert norm is not None
    return Clip(optimizer.clip, norm.detach().clone(), norms)


def _parameters(optimizer: Any) -> list[nn.Parameter]:
    if isinstance(optimizer, torch.optim.Optimizer):
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return list(optimizer.parameters())


def _before(
    optimizer: Any, parameter: nn.Parameter, recorder: Recorder, name_of: Callable[[Tensor], str]
) -> tuple[nn.Parameter, Tensor, UpdateRecord]:
    """What there is before the step: the weight, and everything that the optimizer will use."""
    record = recorder.record(parameter, kind="parameter")
    if not record.names:
        recorder.name_parameter(record, name_of(parameter))
    if isinstance(optimizer, torch.optim.Optimizer):
        rule, (state, settings) = None, _read(optimizer, parameter)
        name, formula, location = type(optimizer).__name__, "", definition(type(optimizer).step)
    else:
        rule = optimizer.rule_of(parameter)
        state, settings = optimizer.state_of(parameter), optimizer.settings_of(parameter)
        name, formula = rule.name, rule.formula
        location = definition(getattr(type(rule), "step", type(rule).derive))
    gradient = parameter.grad
    assert gradient is not None
    kept = {name: tensor.detach().clone() for name, tensor in state.items()}
    before = parameter.detach().clone()
    update = UpdateRecord(
        record, rule, name, formula, location, gradient.detach().clone(), kept, dict(settings), before, record.path
    )
    update.occasion = optimizer.occasion if isinstance(optimizer, Placed) else ""
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
