"""Muon for hidden layers' matrices, those of one shape together; all else learns by AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import RunError
from kqv.sharded import is_sharded, own_rows, rows_like, whole
from kqv.tensors import fits
from kqv.trace.update import Rule
from kqv.training.optimizers.adamw import AdamWOptimizer
from kqv.training.optimizers.matrices import hidden_matrices
from kqv.training.optimizers.muon import VELOCITY, Muon, Part, parts_of
from kqv.training.optimizers.newton_schulz import Stack
from kqv.training.optimizers.optimizer import Optimizer, State
from kqv.training.optimizers.table import OPTIMIZERS, Entry, OptimizerPlan


@dataclass(frozen=True, eq=False)
class _Member:
    """A part of a parameter and its position in the stack of all parts of its shape."""

    parameter: nn.Parameter
    part: Part
    rule: Muon
    stack: Stack
    position: int

    def window(self, tensor: Tensor) -> Tensor:
        """The part's rows of a tensor of the parameter's shape."""
        return tensor if len(self.rule.parts) == 1 else tensor[self.part.first : self.part.end]

    def matrix(self, stacked: Tensor) -> Tensor:
        """The part's matrix of a stack."""
        return stacked[self.position]


class MuonOptimizer(Optimizer):
    """Muon for `matrices`, parameters by name with the numbers of rows of their parts (none: the whole), AdamW for all
    other parameters.

    Both decay: Muon's matrices, and of AdamW's all with two axes or more, so embeddings too; biases and gains do not.
    Matrices of one shape are orthogonalised together, in the parameters' own precision, or in bfloat16 (Jordan et al.
    2024 do): on CUDA, and where `precision` says so.
    """

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], matrices: Mapping[str, Sequence[int]],
        learning_rate: float, adamw_learning_rate: float, weight_decay: float = 0.0, momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
        precision: str = "float32",
    ) -> None:  # fmt: skip
        super().__init__(parameters)
        self.learning_rate, self.weight_decay, self.momentum = learning_rate, weight_decay, momentum
        self.in_bfloat16 = precision == "bfloat16"
        self._share = 1.0
        self.matrices = {name: parameter for name, parameter in self.named.items() if name in matrices}
        self._rules = {id(p): Muon(parts_of(p, matrices[name])) for name, p in self.matrices.items()}
        self._velocities = {id(p): own_rows(p.detach()).new_zeros(p.shape) for p in self.matrices.values()}
        others = [(name, parameter) for name, parameter in self.named.items() if name not in self.matrices]
        self._others = AdamWOptimizer(others, adamw_learning_rate, weight_decay, betas, epsilon) if others else None
        self._stacked: list[nn.Parameter] = []
        self._members: list[_Member] = []
        self._stacks: list[tuple[Stack, float]] = []
        self._positions: list[Tensor] = []  # of each member in its stack, in its velocity, and in its stack's result
        self._moving: list[Tensor] = []
        self._results: list[Tensor] = []

    def rule_of(self, parameter: nn.Parameter) -> Rule:
        if id(parameter) in self._rules:
            return self._rules[id(parameter)]
        return self._rest.rule_of(parameter)

    def settings_of(self, parameter: nn.Parameter) -> dict[str, float]:
        """Of matrices the learning rates, momentum, weight_decay; of others AdamW's."""
        if id(parameter) not in self._rules:
            return self._rest.settings_of(parameter)
        rate = self.learning_rate * self._share
        return {
            "learning_rate": rate, "full_learning_rate": self.learning_rate, "share": self._share,
            "momentum": self.momentum, "weight_decay": self.weight_decay,
        }  # fmt: skip

    def state_of(self, parameter: nn.Parameter) -> State:
        """Of matrices the velocity; of others AdamW's moments."""
        if id(parameter) not in self._rules:
            return self._rest.state_of(parameter)
        return {VELOCITY: self._velocities[id(parameter)].clone()}

    @property
    def _rest(self) -> AdamWOptimizer:
        assert self._others is not None
        return self._others

    def set_share(self, share: float) -> None:
        """Use this share of both learning rates from now on."""
        self._share = share
        if self._others is not None:
            self._others.set_share(share)

    def step(self) -> None:
        """Give every parameter that has a gradient its new value."""
        self._step(None)

    def shown_step(self) -> Mapping[int, State]:
        """The same; for each matrix X, A and B of every iteration."""
        shown: dict[int, State] = {id(parameter): {} for parameter in self.matrices.values()}
        self._step(shown)
        return shown

    @torch.no_grad()
    def _step(self, shown: dict[int, State] | None) -> None:
        if self._others is not None:
            self._others.step()
        learning = [parameter for parameter in self.matrices.values() if parameter.grad is not None]
        if not learning:
            return
        if len(learning) != len(self._stacked) or any(a is not b for a, b in zip(learning, self._stacked, strict=True)):
            self._stack(learning)
        self._gather(learning)
        for stack, scale in self._stacks:
            stack.orthogonalise(None if shown is None else self._watcher(stack, shown))
            if scale != 1:
                stack.result.mul_(scale)
        rate = self.learning_rate * self._share
        weights = [own_rows(parameter.detach()) for parameter in learning]
        if self.weight_decay:
            torch._foreach_mul_(weights, 1 - rate * self.weight_decay)
        if any(map(is_sharded, learning)):
            torch._foreach_add_(weights, self._own_rows_of_results(learning), alpha=-rate)
            return
        windows = [member.window(member.parameter.detach()) for member in self._members]
        torch._foreach_add_(windows, self._results, alpha=-rate)

    def _own_rows_of_results(self, learning: list[nn.Parameter]) -> list[Tensor]:
        """Of each matrix's step the rows that this process has."""
        parts: dict[int, list[Tensor]] = {id(parameter): [] for parameter in learning}
        for member, result in zip(self._members, self._results, strict=True):
            parts[id(member.parameter)].append(result.to(member.parameter.dtype))
        return [rows_like(torch.cat(parts[id(parameter)]), parameter) for parameter in learning]

    def _gather(self, learning: list[nn.Parameter]) -> None:
        """Move the velocities on, and lay gradient + μ·velocity into the stacks: whole matrices, in each process."""
        gradients = {id(p): whole(p.grad) for p in learning if p.grad is not None}
        velocities = [self._velocities[key] for key in gradients]
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, list(gradients.values()))
        torch._foreach_copy_(self._positions, self._moving)
        for stack, _ in self._stacks:
            stack.given.mul_(self.momentum)
        torch._foreach_add_(self._positions, [m.window(gradients[id(m.parameter)]) for m in self._members])

    def _stack(self, learning: list[nn.Parameter]) -> None:
        """Give every part of these matrices its position in the stack of its shape."""
        kinds: dict[tuple[Any, ...], list[tuple[nn.Parameter, Part]]] = {}
        for parameter in learning:
            for part in self._rules[id(parameter)].parts:
                kind = (part.rows, part.columns, parameter.dtype, parameter.device)
                kinds.setdefault(kind, []).append((parameter, part))
        self._stacked, self._members, self._stacks = learning, [], []
        for (rows, columns, _, _), found in kinds.items():
            own = own_rows(found[0][0].detach())
            like = own.to(torch.bfloat16) if own.is_cuda or self.in_bfloat16 else own
            stack = Stack(len(found), rows, columns, like)
            self._stacks.append((stack, found[0][1].scale))
            self._members += [
                _Member(parameter, part, self._rules[id(parameter)], stack, position)
                for position, (parameter, part) in enumerate(found)
            ]
        self._positions = [member.matrix(member.stack.given) for member in self._members]
        self._moving = [member.window(self._velocities[id(member.parameter)]) for member in self._members]
        self._results = [member.matrix(member.stack.result) for member in self._members]

    def _watcher(self, stack: Stack, shown: dict[int, State]) -> Any:
        """Keeps what the iterations of a stack compute, under each parameter's names and in its layout."""
        members = [member for member in self._members if member.stack is stack]

        def watch(iteration: int, x: Tensor, gram: Tensor, polynomial: Tensor) -> None:
            for member in members:
                kept = shown[id(member.parameter)]
                whole = kept.setdefault(f"x{iteration - 1}", torch.empty_like(member.parameter, dtype=x.dtype))
                member.window(whole).copy_(member.matrix(x))
                for kind, tensor in (("gram", gram), ("polynomial", polynomial)):
                    kept[member.rule.name_of(kind, iteration, member.part)] = tensor[member.position].clone()

        return watch

    def state(self) -> State:
        """The whole state as named tensors, for a checkpoint."""
        own = {f"{name}/{VELOCITY}": self._velocities[id(p)] for name, p in self.matrices.items()}
        return own if self._others is None else {**own, **self._others.state()}

    def restore(self, state: State, origin: str = "the optimizer's state") -> None:
        """Put back a state that `state` gave; `RunError` when it does not fit the parameters."""
        left = dict(state)
        for name, parameter in self.matrices.items():
            key = f"{name}/{VELOCITY}"
            if key not in left:
                raise RunError(f"{origin} lacks {key}; it is damaged or of another optimizer")
            fits(key, left[key], parameter, origin)
            self._velocities[id(parameter)].copy_(left.pop(key))
        if self._others is not None:
            self._others.restore(left, origin)
        elif left:
            raise RunError(f"{origin} has {min(left)}, which the model and its optimizer do not; it is of another run")


def _make(model: nn.Module, plan: OptimizerPlan) -> MuonOptimizer:
    assert plan.adamw_learning_rate is not None
    return MuonOptimizer(
        model.named_parameters(), hidden_matrices(model), plan.learning_rate, plan.adamw_learning_rate,
        plan.weight_decay, plan.momentum, plan.betas, precision=plan.precision,
    )  # fmt: skip


OPTIMIZERS["muon"] = Entry(_make, "Muon", learning_rate=0.02, momentum=0.95, beside_adamw=True)
