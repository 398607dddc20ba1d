"""A two-block GPT with a tied head, traced forward, backward and update on two sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kqv.arithmetic import Expression, Index, Named
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.operations import cross_entropy
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.update import UpdateCall

VOCAB, PLACES, MODEL, HEADS, BLOCKS = 13, 5, 8, 2, 2


class MomentumRule:
    """v' = μ·v + ∂C/∂w, w' = w − η·v'."""

    name = "momentum"
    formula = "w' = w − η·v', v' = μ·v + ∂C/∂w"

    def derive(self, call: UpdateCall, index: Index) -> Expression:
        velocity = Named("v'", call.mu * call.velocity[index] + call.gradient[index])
        return call.weight[index] - call.rate * velocity


class Momentum:
    """An optimizer that explains itself, as the trace's protocol asks."""

    def __init__(self, parameters: list[nn.Parameter], rate: float = 0.1, mu: float = 0.9) -> None:
        self.given, self.rate, self.mu = parameters, rate, mu
        self.velocity = {id(p): torch.full_like(p, 0.01) for p in parameters}

    def parameters(self) -> list[nn.Parameter]:
        return self.given

    def state_of(self, parameter: nn.Parameter) -> Mapping[str, Tensor]:
        return {"velocity": self.velocity[id(parameter)]}

    def settings_of(self, parameter: nn.Parameter) -> Mapping[str, float]:
        return {"rate": self.rate, "mu": self.mu}

    def rule_of(self, parameter: nn.Parameter) -> MomentumRule:
        return MomentumRule()

    @torch.no_grad()
    def shown_step(self) -> Mapping[int, Mapping[str, Tensor]]:
        for parameter in self.given:
            if parameter.grad is not None:
                velocity = self.velocity[id(parameter)].mul_(self.mu).add_(parameter.grad)
                parameter.sub_(self.rate * velocity)
        return {}


@dataclass
class Traced:
    """A trace, and what it must agree with."""

    trace: Trace
    model: GPT
    logits: Tensor
    gradients: dict[str, Tensor]
    before: dict[str, Tensor]


def make_gpt(dropout: float = 0.0, **parts: Any) -> GPT:
    """A small GPT whose weights are large enough that every part does something."""
    torch.manual_seed(3)
    form = {"heads": HEADS, **parts}
    model = GPT(VOCAB, Architecture(PLACES + 3, MODEL, blocks=BLOCKS, dropout=dropout, **form))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def trace_gpt(step: bool, dropout: float = 0.0, **parts: Any) -> Traced:
    """Forward, backward and (if asked) an update on two sentences; in training mode where there is dropout."""
    model = make_gpt(dropout, **parts)
    ids, targets = torch.randint(VOCAB, (2, PLACES)), torch.randint(VOCAB, (2, PLACES))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with Trace(model, training=dropout > 0) as trace:
        logits = model(ids)
        loss = note("loss", cross_entropy(logits, note("targets", targets, "batch position")), "", "C")
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        if step:
            trace.step(Momentum(list(model.parameters())))
    return Traced(trace, model, logits.detach(), gradients, before)
