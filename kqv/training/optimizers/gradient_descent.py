"""Gradient descent with momentum, weight decay and L1 regularisation: the rule, and its fast step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from kqv.arithmetic import Expression, Index, Named, sign
from kqv.training.optimizers.optimizer import KernelOptimizer, Settings, State, step_rate
from kqv.training.optimizers.table import OPTIMIZERS, Entry, OptimizerPlan


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
        updated: Expression = call.weight[index] - step_rate(call) * velocity
        return updated


class GradientDescentOptimizer(KernelOptimizer):
    """Gradient descent with optional momentum; like weight decay, `l1` takes matrices only."""

    rule = GradientDescent()

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float = 0.0,
        momentum: float = 0.0, l1: float = 0.0,
    ) -> None:  # fmt: skip
        self.momentum, self.l1 = momentum, l1
        self.remembered = ("velocity",) if momentum else ()
        super().__init__(parameters, learning_rate, weight_decay)
        self._is_plain = not (momentum or weight_decay or l1)

    @torch.no_grad()
    def step(self) -> None:
        """Give every parameter its new value; without any extras in one call, which small networks feel."""
        if not self._is_plain:
            super().step()
            return
        learning = [parameter for parameter in self.parameters() if parameter.grad is not None]
        weights, gradients = [p.detach() for p in learning], [p.grad for p in learning if p.grad is not None]
        torch._foreach_add_(self._rows(weights), self._rows(gradients), alpha=-self.rate)

    def _update(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None:
        if self.l1:
            for parameter, gradient in zip(self._rows(parameters), gradients, strict=True):
                if parameter.dim() >= 2:
                    gradient.add_(parameter.sign(), alpha=self.l1)
        velocities: list[Tensor | None] = [None] * len(parameters)
        if self.momentum:
            velocities = [*self._known(parameters, "velocity")]
        sgd(
            self._rows(parameters), gradients, velocities, fused=True, foreach=False, weight_decay=weight_decay,
            momentum=self.momentum, lr=self.rate, dampening=0.0, nesterov=False, maximize=False,
        )  # fmt: skip

    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """The learning rates, momentum, weight_decay, l1."""
        return {
            **self._rates(), "momentum": self.momentum, "weight_decay": self._decay_of(parameter),
            "l1": self.l1 if parameter.dim() >= 2 else 0.0,
        }  # fmt: skip


def _make(model: nn.Module, plan: OptimizerPlan) -> GradientDescentOptimizer:
    named = model.named_parameters()
    return GradientDescentOptimizer(named, plan.learning_rate, plan.weight_decay, plan.momentum, plan.l1)


OPTIMIZERS["gradient-descent"] = Entry(_make, "gradient descent", learning_rate=0.1)
