"""Loss scaling: in float16 small gradients would vanish, so the loss is enlarged before the backward pass.

Micikevicius et al. 2017, "Mixed Precision Training", section 3.2, with a factor that finds itself: it halves when a
gradient overflows, which leaves the step out, and doubles after many steps without.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kqv.errors import ADVICE, RunError
from kqv.tensors import Tensors

FIRST = 2.0**16
STEADY_STEPS = 2000  # without overflow, then the factor doubles


class LossScale:
    """The factor of the loss, and how long no gradient has overflowed."""

    def __init__(self) -> None:
        self.factor, self.steady = FIRST, 0

    def undo(self, parameters: Sequence[nn.Parameter]) -> bool:
        """Divide the gradients by the factor; where one is not finite, forget all of them and say False."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(gradients, 1 / self.factor)
        if gradients and bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all()):
            self.steady += 1
            if self.steady == STEADY_STEPS:
                self.factor, self.steady = 2 * self.factor, 0
            return True
        for parameter in parameters:
            parameter.grad = None
        self.factor, self.steady = self.factor / 2, 0
        return False

    def state(self) -> Tensors:
        """Factor and steps as tensors, for a checkpoint."""
        return {"loss_scale": torch.tensor([self.factor, float(self.steady)], dtype=torch.float64)}

    def restore(self, state: Tensors, origin: str) -> None:
        """Put back what `state` gave; without it (a run of another precision) it begins anew."""
        found: Tensor | None = state.get("loss_scale")
        if found is None:
            return
        if found.shape != (2,) or not bool(found.isfinite().all()) or float(found[0]) <= 0:
            raise RunError(f"{origin} is damaged: its loss scale is not a pair of numbers; {ADVICE}")
        self.factor, self.steady = float(found[0]), int(found[1])
