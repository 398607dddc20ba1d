"""The nearest orthogonal matrix, found by products of matrices alone: five quintic Newton–Schulz iterations.

    X₀ = G / (‖G‖ + ε),  Aₖ = Xₖ₋₁ Xₖ₋₁ᵀ,  Bₖ = b·Aₖ + c·Aₖ²,  Xₖ = a·Xₖ₋₁ + Bₖ Xₖ₋₁

For G = U S Vᵀ each singular value s of X₀ becomes p(p(p(p(p(s))))) with p(s) = a·s + b·s³ + c·s⁵, while U and V stay.
The coefficients make p steep at 0 instead of exact at 1: values from 0.003 to 1 end between 0.68 and 1.21, which is
close enough to U Vᵀ for training (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks").
A matrix with more rows than columns is multiplied from the other side: A = Xᵀ X, X' = a·X + X B.

Where the sides are unequal, most of the work is in the products with X. They can be left out: with Y = a + B the next
A is A·Y², and the result is Y₅ Y₄ Y₃ Y₂ Y₁ X₀, so that all but two products are of the small side alone. In float32 the
two ways differ by about 1e-5 of the result.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of the polynomial."""

ITERATIONS = 5
EPSILON = 1e-7
UNEQUAL = 2  # from this many times the shorter side on, the second way takes fewer multiplications

Watch = Callable[[int, Tensor, Tensor, Tensor], None]
"""Told of each iteration k: its number from 1, Xₖ₋₁, Aₖ and Bₖ, which are overwritten afterwards."""


class Stack:
    """`count` matrices of one shape that are orthogonalised side by side, in memory that is kept.

    They are laid into `given[matrix, row, column]`, which is overwritten, and found in `result` afterwards.
    """

    def __init__(self, count: int, rows: int, columns: int, like: Tensor) -> None:
        make = like.detach().new_empty
        small = min(rows, columns)
        self.is_tall = rows > columns
        # the second way takes small differences of numbers, for which bfloat16 is too coarse
        self.is_unequal = max(rows, columns) >= UNEQUAL * small and like.dtype != torch.bfloat16
        self.given, self.result = make(count, rows, columns), make(count, rows, columns)
        self._small = [make(count, small, small) for _ in range(6 if self.is_unequal else 2)]

    def orthogonalise(self, watch: Watch | None = None) -> None:
        """Compute `result` from `given`; who watches sees the iterations as the formula has them, and the result is the
        same to the last bit."""
        self.given.div_(torch.linalg.vector_norm(self.given, dim=(1, 2), keepdim=True).add_(EPSILON))
        if not self.is_unequal:
            self._by_iterations(watch)
            return
        if watch is not None:
            given = self.given.clone()
            self._by_iterations(watch)
            self.given.copy_(given)
        self._by_products()

    def _by_iterations(self, watch: Watch | None) -> None:
        a, b, c = COEFFICIENTS
        x, following, (gram, polynomial) = self.given, self.result, self._small[:2]
        for iteration in range(1, ITERATIONS + 1):
            self._gram(x, gram)
            torch.baddbmm(gram, gram, gram, beta=b, alpha=c, out=polynomial)
            left, right = (x, polynomial) if self.is_tall else (polynomial, x)
            torch.baddbmm(x, left, right, beta=a, out=following)
            if watch is not None:
                watch(iteration, x, gram, polynomial)
            x, following = following, x
        if x is not self.result:  # after an even number of iterations
            self.result.copy_(x)

    def _by_products(self) -> None:
        """A·Y = a·A + b·A² + c·A³ and then (A·Y)·Y; `product` is Yₖ ⋯ Y₁."""
        a, b, c = COEFFICIENTS
        gram, square, polynomial, once, product, following = self._small
        self._gram(self.given, gram)
        for iteration in range(1, ITERATIONS + 1):
            torch.bmm(gram, gram, out=square)
            torch.mul(gram, b, out=polynomial).add_(square, alpha=c)
            if iteration == 1:
                product.copy_(polynomial).diagonal(dim1=1, dim2=2).add_(a)
            else:
                torch.baddbmm(product, polynomial, product, beta=a, out=following)
                product, following = following, product
            if iteration < ITERATIONS:
                torch.mul(gram, a, out=once).add_(square, alpha=b).baddbmm_(gram, square, alpha=c)
                torch.baddbmm(once, once, polynomial, beta=a, out=gram)
        left, right = (self.given, product) if self.is_tall else (product, self.given)
        torch.bmm(left, right, out=self.result)

    def _gram(self, x: Tensor, out: Tensor) -> None:
        """X Xᵀ, of tall matrices Xᵀ X."""
        torch.bmm(*((x.mT, x) if self.is_tall else (x, x.mT)), out=out)
