"""AdamW: the rule, and its fused kernel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim.adamw import adamw

from kqv.arithmetic import Expression, Index, Named, Power, sqrt
from kqv.training.optimizers.optimizer import KernelOptimizer, Settings, State, step_rate
from kqv.training.optimizers.table import OPTIMIZERS, Entry, OptimizerPlan


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
            kept = kept * (1 - step_rate(call) * call.weight_decay)
        return kept - step_rate(call) * unbiased / spread


class AdamWOptimizer(KernelOptimizer):
    """AdamW."""

    rule = AdamW()
    remembered = ("first_moment", "second_moment")
    counts = True

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
    ) -> None:  # fmt: skip
        self.betas, self.epsilon = betas, epsilon
        super().__init__(parameters, learning_rate, weight_decay)

    def _update(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float) -> None:
        adamw(
            self._rows(parameters), gradients, self._known(parameters, "first_moment"),
            self._known(parameters, "second_moment"), [], self._known(parameters, "step"), fused=True, foreach=False,
            amsgrad=False, maximize=False, beta1=self.betas[0], beta2=self.betas[1], lr=self.rate,
            weight_decay=weight_decay, eps=self.epsilon,
        )  # fmt: skip

    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """The learning rates, weight_decay, beta1, beta2, epsilon, and the step's number from 1."""
        done = self._state.get(id(parameter), {}).get("step", 0.0)
        return {
            **self._rates(), "weight_decay": self._decay_of(parameter), "beta1": self.betas[0],
            "beta2": self.betas[1], "epsilon": self.epsilon, "step": float(done) + 1,
        }  # fmt: skip


def _make(model: nn.Module, plan: OptimizerPlan) -> AdamWOptimizer:
    return AdamWOptimizer(model.named_parameters(), plan.learning_rate, plan.weight_decay, plan.betas)


OPTIMIZERS["adamw"] = Entry(_make, "AdamW", learning_rate=1e-3)
