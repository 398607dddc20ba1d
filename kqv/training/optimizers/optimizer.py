"""What every optimizer is, and those whose whole step is one kernel of PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kqv.arithmetic import Constant, Expression, Named
from kqv.errors import RunError
from kqv.sharded import is_sharded, own_rows, rows_like, sharded_like
from kqv.tensors import fits
from kqv.trace.update import Rule

Settings = Mapping[str, float]
State = dict[str, Tensor]


def step_rate(call: Any) -> Expression:
    """η of a traced step as its derivation shows it: the learning rate, times the share that a schedule takes of it."""
    if call.share == 1:
        return Constant(call.learning_rate)
    return Named("η", Constant(call.full_learning_rate) * call.share)


class Optimizer(ABC):
    """A rule for each of a model's parameters, with settings and state by the parameter's name."""

    learning_rate: float
    clip: float | None = None
    """The largest norm that all gradients together may have; see `clip_gradients`."""
    occasion = ""
    """Which step of a training comes next, in words, for who traces it."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        self.named = {name: parameter for name, parameter in parameters if parameter.requires_grad}

    @abstractmethod
    def rule_of(self, parameter: nn.Parameter) -> Rule:
        """The rule by which a parameter learns."""

    @abstractmethod
    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """The rule's settings for a parameter's next step."""

    @abstractmethod
    def state_of(self, parameter: nn.Parameter) -> State:
        """What the rule remembers of a parameter, before its next step; zeros before the first."""

    @abstractmethod
    def set_share(self, share: float) -> None:
        """Use this share of the learning rate from now on."""

    def clip_gradients(self) -> Tensor | None:
        """Where the norm ‖g‖ of all gradients together is above `clip`, make each g·clip/(‖g‖ + 10⁻⁶) (Pascanu et al.
        2013, algorithm 1); gives ‖g‖, or None without a clip."""
        return None if self.clip is None else nn.utils.clip_grad_norm_(self.parameters(), self.clip)

    @abstractmethod
    def step(self) -> None:
        """Give every parameter that has a gradient its new value."""

    def shown_step(self) -> Mapping[int, State]:
        """The same; what was computed on the way that a rule's arithmetic needs, by the parameter's `id` and a name."""
        self.step()
        return {}

    @abstractmethod
    def state(self) -> State:
        """The whole state as named tensors, for a checkpoint."""

    @abstractmethod
    def restore(self, state: State, origin: str = "the optimizer's state") -> None:
        """Put back a state that `state` gave; `RunError` when it does not fit the parameters."""

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that learn."""
        return list(self.named.values())

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.named.values():  # PyTorch's own does more, and small networks feel it
            parameter.grad = None


@dataclass
class Group:
    """Parameters with the same settings."""

    parameters: list[nn.Parameter]
    weight_decay: float


class KernelOptimizer(Optimizer):
    """One rule for all parameters, whose step is a fused kernel of PyTorch.

    The kernels are called as functions: to make one of PyTorch's optimizers takes over a second, in which it imports
    its compiler. Weight decay takes matrices only (all that has two axes or more, so embeddings too); biases and gains
    are left alone.
    """

    rule: Rule
    remembered: tuple[str, ...]
    """What the rule remembers of a parameter, in tensors of its shape."""
    counts = False
    """Whether the number of a parameter's steps is remembered too."""

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        super().__init__(parameters)
        self.learning_rate = self.rate = learning_rate
        self.share = 1.0
        matrices = [p for p in self.named.values() if p.dim() >= 2]
        others = [p for p in self.named.values() if p.dim() < 2]
        self.groups = [group for group in (Group(matrices, weight_decay), Group(others, 0.0)) if group.parameters]
        self._state: dict[int, State] = {}
        self._is_sharded = any(is_sharded(parameter) for parameter in self.named.values())

    @abstractmethod
    def _update(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None:
        """One step of these parameters by the kernel."""

    def rule_of(self, parameter: nn.Parameter) -> Rule:
        return self.rule

    def set_share(self, share: float) -> None:
        """Use this share of the learning rate from now on."""
        self.share, self.rate = share, self.learning_rate * share

    def _rates(self) -> dict[str, float]:
        """Settings that all of these rules have: the step's learning rate, the full one, and the share of it."""
        return {"learning_rate": self.rate, "full_learning_rate": self.learning_rate, "share": self.share}

    @torch.no_grad()
    def step(self) -> None:
        """Give every parameter its new value."""
        for group in self.groups:
            learning = [parameter for parameter in group.parameters if parameter.grad is not None]
            if learning:
                gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
                self._update(learning, self._rows(gradients), group.weight_decay)

    def _rows(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """What this process has of parameters or gradients: all of them, or of each some rows."""
        return [own_rows(tensor) for tensor in tensors] if self._is_sharded else [*tensors]

    def _known(self, parameters: list[nn.Parameter], name: str) -> list[Tensor]:
        """What is remembered of parameters under a name; zeros before the first step."""
        for parameter in parameters:
            if id(parameter) not in self._state:
                self._state[id(parameter)] = self._new_state(parameter)
        return [self._state[id(parameter)][name] for parameter in parameters]

    def _new_state(self, parameter: nn.Parameter) -> State:
        state = {name: torch.zeros_like(own_rows(parameter.detach())) for name in self.remembered}
        if self.counts:  # the fused kernels want even the number of steps where the parameter is
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return state

    def state_of(self, parameter: nn.Parameter) -> State:
        """What the rule remembers of a parameter, before its next step; zeros before the first."""
        known = self._state.get(id(parameter)) or self._new_state(parameter)
        return {name: known[name].clone() for name in self.remembered}

    def state(self) -> State:
        """The whole state as named tensors, for a checkpoint."""
        return {
            f"{name}/{key}": value if key == "step" else sharded_like(value, parameter)
            for name, parameter in self.named.items()
            for key, value in self._state.get(id(parameter), {}).items()
        }

    def restore(self, state: State, origin: str = "the optimizer's state") -> None:
        """Put back a state that `state` gave; `RunError` when it does not fit the parameters."""
        left = set(state)
        keys = (*self.remembered, "step") if self.counts else self.remembered
        for name, parameter in self.named.items():
            own = {key: state[f"{name}/{key}"] for key in keys if f"{name}/{key}" in state}
            left -= {f"{name}/{key}" for key in own}
            if own and len(own) < len(keys):
                missing = next(key for key in keys if key not in own)
                raise RunError(f"{origin} lacks {name}/{missing}; it is damaged or of another optimizer")
            for key, value in own.items():
                fits(f"{name}/{key}", value, torch.tensor(0.0) if key == "step" else parameter, origin)
            self._state.pop(id(parameter), None)
            if own:
                self._state[id(parameter)] = {
                    key: (value if key == "step" else rows_like(value, parameter)).to(parameter.device, copy=True)
                    for key, value in own.items()
                }
        if left:
            raise RunError(f"{origin} has {min(left)}, which the model and its optimizer do not; it is of another run")

    def _decay_of(self, parameter: nn.Parameter) -> float:
        return next(group.weight_decay for group in self.groups if any(p is parameter for p in group.parameters))
