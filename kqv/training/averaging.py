"""The average of a training's weights over its steps: a model between those that training makes is often better.

A step's gradient is that of a few examples, so the weights move to and fro around where they are going; their mean is
nearer to it (Polyak and Juditsky 1992). What is scored, kept and used is the average; training itself continues from
its own weights, as if there was none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from kqv.errors import RunError
from kqv.sharded import own_rows, rows_like, sharded_like
from kqv.tensors import Tensors, fits, weights_of
from kqv.training.plans import TrainingPlan


class Average(ABC):
    """The average of a model's parameters; its buffers are as they are.

    `current` is the average by the parameter's name, or empty as long as there is none: the model's own weights then.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.like = {name: parameter.detach() for name, parameter in model.named_parameters()}
        self.named = {name: own_rows(parameter) for name, parameter in self.like.items()}
        self.current: Tensors = {}
        self._own: Tensors | None = None  # training's own weights, while the average takes their place

    @property
    def own(self) -> Tensors:
        """Training's own weights, and the buffers."""
        return weights_of(self.model) | self._sharded(self._own or {})

    @property
    def weights(self) -> Tensors:
        """The averaged weights, and the buffers: what is scored and kept for use."""
        return weights_of(self.model) | self._sharded(self.current)

    def _sharded(self, tensors: Tensors) -> Tensors:
        return {name: sharded_like(tensor, self.like[name]) for name, tensor in tensors.items()}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the `with`, the model has the averaged weights; after it, training's own again."""
        if not self.current:
            yield
            return
        self._own = {name: parameter.clone() for name, parameter in self.named.items()}
        _copy(self.current, self.named)
        try:
            yield
        finally:
            _copy(self._own, self.named)
            self._own = None

    def after_step(self, step: int) -> None:  # noqa: B027 - each kind takes in weights at one of two times
        """Take in the weights after step number `step`, from 1."""

    def before_evaluation(self, step: int) -> None:  # noqa: B027
        """Take in the weights that are to be scored after a step; no more than once for each."""

    @abstractmethod
    def state(self) -> Tensors:
        """What a checkpoint has to keep, as named tensors."""

    @abstractmethod
    def restore(self, state: Tensors, origin: str) -> None:
        """Put back a state that `state` gave; `RunError` when it is none."""


class NoAverage(Average):
    """The weights as training leaves them."""

    def state(self) -> Tensors:
        return {}

    def restore(self, state: Tensors, origin: str) -> None:
        if state:
            raise RunError(f"{origin} has averaged weights, but the run's recipe has none; it is of another run")


class ExponentialAverage(Average):
    """Exponential moving average, updated after each step t = 1, 2, …:

        w̄ ← δ·w̄ + (1 − δ)·w,   δ = min(decay, (1 + t)/(10 + t))

    It reaches back over about 1/(1 − decay) steps; over fewer in the beginning, so that the weights from before the
    training are soon forgotten (as TensorFlow's ExponentialMovingAverage with `num_updates`).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay
        self.current = {name: parameter.clone() for name, parameter in self.named.items()}

    def after_step(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.current.values()), list(self.named.values()), 1 - decay)

    def state(self) -> Tensors:
        return self._sharded(self.current)

    def restore(self, state: Tensors, origin: str) -> None:
        self.current = _fitting(state, self.like, origin)


class LastAverage(Average):
    """The mean of the weights at the last evaluations, at most `most` of them (Vaswani et al. 2017, 6.1, average the
    last 5 or 20 checkpoints; ours are those that are scored). Each is kept until then, in the checkpoint too."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__(model)
        self.most = most
        self.kept: dict[int, Tensors] = {}  # by their step

    def before_evaluation(self, step: int) -> None:
        if step not in self.kept:  # else the evaluation was stopped in its midst, and is made again
            self.kept[step] = {name: parameter.clone() for name, parameter in self.named.items()}
            self._use(self.kept)

    def state(self) -> Tensors:
        return {
            f"{step}/{name}": tensor for step, kept in self.kept.items() for name, tensor in self._sharded(kept).items()
        }

    def restore(self, state: Tensors, origin: str) -> None:
        steps = {name.partition("/")[0] for name in state}
        if any(not step.isdecimal() for step in steps):
            raise RunError(f"{origin} has {min(state)} among its averaged weights; it is damaged or of another run")
        self._use({
            step: _fitting(_under(f"{step}/", state), self.like, f"{origin}, average of step {step},")
            for step in sorted(map(int, steps))
        })  # fmt: skip

    def _use(self, kept: dict[int, Tensors]) -> None:
        """Keep the last of these, and their mean."""
        self.kept = {step: kept[step] for step in sorted(kept)[-self.most :]}
        if not self.kept:
            self.current = {}
            return
        first, *others = ([tensors[name] for name in self.named] for tensors in self.kept.values())
        total = [tensor.clone() for tensor in first]
        for more in others:
            torch._foreach_add_(total, more)
        torch._foreach_div_(total, len(self.kept))
        self.current = dict(zip(self.named, total, strict=True))


def make_average(model: nn.Module, plan: TrainingPlan) -> Average:
    """The plan's average over a model's parameters, before the first step."""
    if plan.average == "ema":
        return ExponentialAverage(model, plan.average_decay)
    if plan.average == "last":
        return LastAverage(model, plan.average_last)
    return NoAverage(model)


@torch.no_grad()
def _copy(tensors: Tensors, into: Tensors) -> None:
    torch._foreach_copy_(list(into.values()), [tensors[name] for name in into])


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _fitting(tensors: Tensors, parameters: Tensors, origin: str) -> Tensors:
    """Copies of tensors that were read, one for each parameter; `RunError` where they do not fit these."""
    for name in sorted(tensors.keys() ^ parameters.keys()):
        which = "lacks the averaged weight" if name in parameters else "has an averaged weight"
        raise RunError(f"{origin} {which} {name}; it is damaged or of another run")
    for name, parameter in parameters.items():
        fits(name, tensors[name], parameter, origin)
    return {
        name: rows_like(tensors[name], parameter).to(parameter.device, copy=True)
        for name, parameter in parameters.items()
    }
