"""Muon's rule: the momentum of a hidden layer's matrix, made orthogonal, is its step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kqv.arithmetic import Expression, Index, Named, Position, Power, Sum, below, sqrt, when
from kqv.training.optimizers.newton_schulz import COEFFICIENTS, EPSILON, ITERATIONS
from kqv.training.optimizers.optimizer import Settings, State, step_rate

VELOCITY = "velocity"


@dataclass(frozen=True)
class Part:
    """Rows `first` to `end` of a matrix with so many `columns`: what is orthogonalised as one."""

    number: int
    first: int
    end: int
    columns: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.end - self.first

    @property
    def is_tall(self) -> bool:
        """Whether it has more rows than columns; it is then orthogonalised turned round."""
        return self.rows > self.columns

    @property
    def scale(self) -> float:
        """√max(1, rows/columns): an orthogonal matrix times this turns vectors of mean square 1 into such (Jordan)."""
        return math.sqrt(max(1.0, self.rows / self.columns))


def parts_of(parameter: Tensor, sizes: Sequence[int] = ()) -> tuple[Part, ...]:
    """The parts of a matrix `[out, in]` with `sizes` rows each; without sizes, the whole."""
    rows, columns = parameter.shape
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))] or [rows]
    if ends[-1] != rows:
        raise ValueError(f"parts of {list(sizes)} rows do not make up a matrix of {rows}")
    return tuple(
        Part(number, first, end, columns) for number, (first, end) in enumerate(zip([0, *ends], ends, strict=False))
    )


@dataclass(frozen=True)
class Muon:
    """Momentum with Nesterov's look ahead, orthogonalised, with decoupled weight decay; for one matrix.

    v' = μ·v + G, u = G + μ·v', O = NewtonSchulz(u) part by part, w' = w·(1 − η·λ) − η·s·O (Jordan et al. 2024), with
    s = √max(1, rows/columns) as Jordan publishes it (Liu et al. 2025 take 0.2·√max(rows, columns)).
    η: learning_rate, μ: momentum, λ: weight_decay; v: velocity; X, A and B: see `newton_schulz`.
    """

    parts: tuple[Part, ...]

    error_share = 1e-4
    """Arithmetic and weight may differ by this share of Σ|terms|: training multiplies unequal matrices in another order
    (see `newton_schulz`), and where a gradient has few directions, both round what is nearly 0."""

    name = "Muon"
    formula = "w' = w·(1 − η·λ) − η·s·O, O = a·X₄ + B₅·X₄ from v' = μ·v + ∂C/∂w, u = ∂C/∂w + μ·v', X₀ = u/(‖u‖ + ε)"

    def step(self, weight: Tensor, gradient: Tensor, state: State, settings: Settings) -> tuple[Tensor, State]:
        """The new weight and velocity."""
        velocity = settings["momentum"] * state[VELOCITY] + gradient
        ahead = gradient + settings["momentum"] * velocity
        steps = [part.scale * orthogonalised(ahead[part.first : part.end]) for part in self.parts]
        kept = weight * (1 - settings["learning_rate"] * settings["weight_decay"])
        return kept - settings["learning_rate"] * torch.cat(steps), {VELOCITY: velocity}

    def derive(self, call: Any, index: Index) -> Expression:
        """w·(1 − η·λ) − η·s·O with the numbers of one weight."""
        return self._by_part(index[0], lambda part: self._derive_in(part, call, index))

    def _derive_in(self, part: Part, call: Any, index: Index) -> Expression:
        scale = part.scale
        kept: Expression = call.weight[index]
        if call.weight_decay:
            kept = kept * (1 - step_rate(call) * call.weight_decay)
        orthogonal = Named("O", self._iterated(part, call, ITERATIONS, index))
        rate = step_rate(call)
        return kept - (rate * orthogonal if scale == 1 else rate * scale * orthogonal)

    def derive_shown(self, call: Any, name: str, index: Index) -> tuple[str, Expression]:
        """Formula and arithmetic of what is computed on the way: `x0` to `x4`, `gram1` to `gram5`, `polynomial1` to
        `polynomial5`, the last two for each part (`gram1_0`) where there are several."""
        kind, _, part = name.partition("_")
        number = int(kind[-1])
        if kind[:-1] == "gram":
            return self._gram(call, number, self.parts[int(part or 0)], index)
        if kind[:-1] == "polynomial":
            gram, (row, column) = getattr(call, name.replace("polynomial", "gram")), index
            _, b, c = COEFFICIENTS
            return "B = b·A + c·A·A", b * gram[row, column] + c * Sum(gram[row, :] * gram[:, column])
        if number:
            iterated = self._by_part(index[0], lambda part: self._iterated(part, call, number, index))
            return "Xₖ = a·Xₖ₋₁ + Bₖ·Xₖ₋₁", iterated
        begun = self._by_part(index[0], lambda part: self._begun(part, call, index))
        return "X₀ = u/(‖u‖ + ε), u = ∂C/∂w + μ·v', v' = μ·v + ∂C/∂w", begun

    def _by_part(self, row: Position, derive: Callable[[Part], Expression], first: int = 0) -> Expression:
        """The arithmetic that belongs to the part of a row."""
        part = self.parts[first]
        if first == len(self.parts) - 1:
            return derive(part)
        return when(below(row, part.end), lambda: derive(part), lambda: self._by_part(row, derive, first + 1))

    def name_of(self, kind: str, iteration: int, part: Part) -> str:
        """`polynomial5`; `polynomial5_1` where there are several parts."""
        return f"{kind}{iteration}" + (f"_{part.number}" if len(self.parts) > 1 else "")

    def _begun(self, part: Part, call: Any, index: Index) -> Expression:
        mu = call.momentum
        rows = slice(part.first, part.end)

        def ahead(*position: Any) -> Expression:
            gradient = call.gradient[position]
            found: Expression = gradient + mu * (mu * call.velocity[position] + gradient)
            return found

        size = Named("‖u‖", sqrt(Sum(Power(ahead(rows, slice(None)), 2))))
        return Named("u", ahead(*index)) / (size + EPSILON)

    def _iterated(self, part: Part, call: Any, iteration: int, index: Index) -> Expression:
        row, column = index
        x = getattr(call, f"x{iteration - 1}")
        polynomial = getattr(call, self.name_of("polynomial", iteration, part))
        if part.is_tall:
            product = Sum(x[row, :] * polynomial[:, column])
        else:
            product = Sum(polynomial[row - part.first, :] * x[part.first : part.end, column])
        iterated: Expression = COEFFICIENTS[0] * x[row, column] + product
        return iterated

    def _gram(self, call: Any, iteration: int, part: Part, index: Index) -> tuple[str, Expression]:
        (row, column), x = index, getattr(call, f"x{iteration - 1}")
        if part.is_tall:
            rows = slice(part.first, part.end)
            return "A = Xᵀ·X", Sum(x[rows, row] * x[rows, column])
        return "A = X·Xᵀ", Sum(x[part.first + row, :] * x[part.first + column, :])


def orthogonalised(matrix: Tensor) -> Tensor:
    """One matrix with its singular values brought near 1, by the formula written out."""
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = x.T if is_tall else x
    return found
