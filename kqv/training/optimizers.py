"""Optimizers: how a weight learns from its gradient. Each rule is written by hand and explained number by number;
the fused kernels of PyTorch do the same faster, and a test holds the two equal."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kqv.arithmetic import Expression, Index, Named, Power, sign, sqrt
from kqv.errors import RunError
from kqv.tensors import fits
from kqv.trace.update import Rule

Settings = Mapping[str, float]
State = dict[str, Tensor]


class GradientDescent:
    """w' = w − η·v' with v' = μ·v + ∂C/∂w + λ·w + λ₁·sgn w (Nielsen ch. 1, eq. (16); ch. 3, eqs. (93), (97), (107)).

    η: learning_rate, μ: momentum, λ: weight_decay, λ₁: l1. Without momentum nothing is remembered.
    """

    name = "gradient descent"
    formula = "w' = w − η·v', v' = μ·v + (∂C/∂w + λ·w + λ₁·sgn w)"

    def step(self, weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> tuple[Tensor, State]:
        """The new weight and, with momentum, the new velocity."""
        velocity = gradient + settings["weight_decay"] * weight + settings["l1"] * weight.sign()
        if not settings["momentum"]:
            return weight - settings["learning_rate"] * velocity, {}
        velocity = settings["momentum"] * state["velocity"] + velocity
        return weight - settings["learning_rate"] * velocity, {"velocity": velocity}

    def derive(self, call: Any, index: Index) -> Expression:
        """w − η·v' with the numbers of one weight."""
        velocity: Expression = call.gradient[index]
        if call.weight_decay:
            velocity = velocity + call.weight_decay * call.weight[index]
        if call.l1:
            velocity = velocity + call.l1 * sign(call.weight[index])
        if call.momentum:
            velocity = Named("v'", call.momentum * call.velocity[index] + velocity)
        updated: Expression = call.weight[index] - call.learning_rate * velocity
        return updated


class AdamW:
    """Adam with decoupled weight decay (Kingma, Ba 2014, algorithm 1; Loshchilov, Hutter 2017, algorithm 2).

    m' = β₁·m + (1 − β₁)·∂C/∂w, v' = β₂·v + (1 − β₂)·(∂C/∂w)². η: learning_rate, λ: weight_decay, ε: epsilon,
    t: step, counted from 1; m: first_moment, v: second_moment.
    """

    name = "AdamW"
    formula = "w' = w·(1 − η·λ) − η·m̂/(√v̂ + ε), m̂ = m'/(1 − β₁ᵗ), v̂ = v'/(1 − β₂ᵗ)"

    def step(self, weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> tuple[Tensor, State]:
        """The new weight and moments."""
        beta1, beta2, step = settings["beta1"], settings["beta2"], settings["step"]
        first = beta1 * state["first_moment"] + (1 - beta1) * gradient
        second = beta2 * state["second_moment"] + (1 - beta2) * gradient.square()
        unbiased = first / (1 - beta1**step)
        spread = (second / (1 - beta2**step)).sqrt() + settings["epsilon"]
        kept = weight * (1 - settings["learning_rate"] * settings["weight_decay"])
        return kept - settings["learning_rate"] * unbiased / spread, {"first_moment": first, "second_moment": second}

    def derive(self, call: Any, index: Index) -> Expression:
        """w·(1 − η·λ) − η·m̂/(√v̂ + ε) with the numbers of one weight."""
        gradient = call.gradient[index]
        first = Named("m'", call.beta1 * call.first_moment[index] + (1 - call.beta1) * gradient)
        second = Named("v'", call.beta2 * call.second_moment[index] + (1 - call.beta2) * Power(gradient, 2))
        unbiased = Named("m̂", first / (1 - math.pow(call.beta1, call.step)))
        spread = Named("√v̂ + ε", sqrt(second / (1 - math.pow(call.beta2, call.step))) + call.epsilon)
        kept: Expression = call.weight[index]
        if call.weight_decay:
            kept = kept * (1 - call.learning_rate * call.weight_decay)
        updated: Expression = kept - call.learning_rate * unbiased / spread
        return updated


class Optimizer(ABC):
    """One rule applied to a model's parameters, with its settings and state by the parameter's name.

    Weight decay takes matrices only; biases and gains are left alone.
    """

    rule: Rule

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        self.named = {name: parameter for name, parameter in parameters if parameter.requires_grad}
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

    @abstractmethod
    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """The rule's settings for a parameter's next step."""

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that learn."""
        return list(self.named.values())

    def set_share(self, share: float) -> None:
        """Use this share of the learning rate from now on."""
        for group in self._kernel.param_groups:
            group["lr"] = self.learning_rate * share

    def step(self) -> None:
        """Give every parameter its new value."""
        self._kernel.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.named.values():  # PyTorch's own does more, and small networks feel it
            parameter.grad = None

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


class GradientDescentOptimizer(Optimizer):
    """Gradient descent with optional momentum; like weight decay, `l1` takes matrices only."""

    rule = GradientDescent()

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float = 0.0,
        momentum: float = 0.0, l1: float = 0.0,
    ) -> None:  # fmt: skip
        self.momentum, self.l1 = momentum, l1
        super().__init__(parameters, learning_rate, weight_decay)
        self._is_plain = not (momentum or weight_decay or l1)

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum, fused=True)

    @torch.no_grad()
    def step(self) -> None:
        """Give every parameter its new value; without any extras in one call, which small networks feel."""
        learning = [parameter for parameter in self.parameters() if parameter.grad is not None]
        if self._is_plain:
            rate = self._kernel.param_groups[0]["lr"]
            weights, gradients = [p.detach() for p in learning], [p.grad for p in learning if p.grad is not None]
            torch._foreach_add_(weights, gradients, alpha=-rate)
            return
        if self.l1:
            for parameter in learning:
                if parameter.dim() >= 2 and parameter.grad is not None:
                    parameter.grad.add_(parameter.sign(), alpha=self.l1)
        super().step()

    @property
    def remembered(self) -> Mapping[str, str]:
        """The velocity, when there is momentum."""
        return {"velocity": "momentum_buffer"} if self.momentum else {}

    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """learning_rate, momentum, weight_decay, l1."""
        group = self._group_of[id(parameter)]
        return {
            "learning_rate": group["lr"], "momentum": self.momentum, "weight_decay": group["weight_decay"],
            "l1": self.l1 if parameter.dim() >= 2 else 0.0,
        }  # fmt: skip


class AdamWOptimizer(Optimizer):
    """AdamW."""

    rule = AdamW()

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
    ) -> None:  # fmt: skip
        self.betas, self.epsilon = betas, epsilon
        super().__init__(parameters, learning_rate, weight_decay)

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=self.betas, eps=self.epsilon, fused=True)

    @property
    def remembered(self) -> Mapping[str, str]:
        """The two moments."""
        return {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("step", *super()._keys)

    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """learning_rate, weight_decay, beta1, beta2, epsilon, and the step's number from 1."""
        group = self._group_of[id(parameter)]
        done = self._kernel.state.get(parameter, {}).get("step", 0.0)
        return {
            "learning_rate": group["lr"], "weight_decay": group["weight_decay"], "beta1": self.betas[0],
            "beta2": self.betas[1], "epsilon": self.epsilon, "step": float(done) + 1,
        }  # fmt: skip
