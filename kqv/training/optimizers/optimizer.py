"""What every optimizer is, and those whose whole step is one kernel of PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import RunError
from kqv.tensors import fits
from kqv.trace.update import Rule

Settings = Mapping[str, float]
State = dict[str, Tensor]


class Optimizer(ABC):
    """A rule for each of a model's parameters, with settings and state by the parameter's name."""

    learning_rate: float

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


class KernelOptimizer(Optimizer):
    """One rule for all parameters, whose step is a fused kernel of PyTorch.

    Weight decay takes matrices only (all that has two axes or more, so embeddings too); biases and gains are left
    alone.
    """

    rule: Rule

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        super().__init__(parameters)
        self.learning_rate = learning_rate
        matrices = [p for p in self.named.values() if p.dim() >= 2]
        others = [p for p in self.named.values() if p.dim() < 2]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._kernel = self._make([group for group in groups if group["params"]])
        self._group_of = {id(p): group for group in self._kernel.param_groups for p in group["params"]}

    @abstractmethod
    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """PyTorch's fused kernel of the rule."""

    @property
    @abstractmethod
    def remembered(self) -> Mapping[str, str]:
        """What the rule remembers of a parameter, in tensors of its shape: the rule's name and the kernel's."""

    def rule_of(self, parameter: nn.Parameter) -> Rule:
        return self.rule

    def set_share(self, share: float) -> None:
        """Use this share of the learning rate from now on."""
        for group in self._kernel.param_groups:
            group["lr"] = self.learning_rate * share

    def step(self) -> None:
        """Give every parameter its new value."""
        self._kernel.step()

    def state_of(self, parameter: nn.Parameter) -> State:
        """What the rule remembers of a parameter, before its next step; zeros before the first."""
        known = self._kernel.state.get(parameter, {})
        return {
            own: known[key].detach().clone() if key in known else torch.zeros_like(parameter.detach())
            for own, key in self.remembered.items()
        }

    def state(self) -> State:
        """The whole state as named tensors, for a checkpoint."""
        return {
            f"{name}/{key}": value
            for name, parameter in self.named.items()
            for key, value in self._kernel.state.get(parameter, {}).items()
            if value is not None
        }

    def restore(self, state: State, origin: str = "the optimizer's state") -> None:
        """Put back a state that `state` gave; `RunError` when it does not fit the parameters."""
        left = set(state)
        for name, parameter in self.named.items():
            own = {key: state[f"{name}/{key}"] for key in self._keys if f"{name}/{key}" in state}
            left -= {f"{name}/{key}" for key in own}
            if own and len(own) < len(self._keys):
                missing = next(key for key in self._keys if key not in own)
                raise RunError(f"{origin} lacks {name}/{missing}; it is damaged or of another optimizer")
            for key, value in own.items():
                fits(f"{name}/{key}", value, torch.tensor(0.0) if key == "step" else parameter, origin)
            # the fused kernels want even the number of steps where the parameter is
            self._kernel.state.pop(parameter, None)
            if own:
                self._kernel.state[parameter] = {
                    key: value.to(parameter.device, copy=True) for key, value in own.items()
                }
        if left:
            raise RunError(f"{origin} has {min(left)}, which the model and its optimizer do not; it is of another run")

    @property
    def _keys(self) -> tuple[str, ...]:
        """The kernel's names of all that it keeps of a parameter."""
        return tuple(self.remembered.values())
