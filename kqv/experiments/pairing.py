"""What two variants of one seed begin with in common: which parameters are equal, and whether their batches are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kqv.tensors import Tensors, read_tensors
from kqv.training.run import Run


@dataclass(frozen=True)
class Pairing:
    """How a variant's first weights stand to the baseline's, by the names of parameters.

    `equal` of them begin equal. `scaled`: the same random numbers, made larger or smaller; `reshaped`: of another
    shape; `only_baseline`, `only_variant`: in one model alone; `other`: other numbers. `same_batches`: whether the
    first batch is the same.
    """

    equal: int
    scaled: tuple[str, ...]
    reshaped: tuple[str, ...]
    only_baseline: tuple[str, ...]
    only_variant: tuple[str, ...]
    other: tuple[str, ...]
    same_batches: bool

    @property
    def is_whole(self) -> bool:
        """Whether everything begins equal."""
        unpaired = (self.scaled, self.reshaped, self.only_baseline, self.only_variant, self.other)
        return self.same_batches and not any(unpaired)

    def text(self, baseline: str) -> str:
        """What is not paired, in words; `""` where everything is."""
        parts = [
            f"{words} {listed(names)}"
            for words, names in (
                ("scaled otherwise:", self.scaled), ("of another shape:", self.reshaped),
                (f"only in {baseline}:", self.only_baseline), ("only here:", self.only_variant),
                ("other numbers:", self.other),
            )
            if names
        ]  # fmt: skip
        if parts:
            parts.insert(0, f"{self.equal} {'parameter begins' if self.equal == 1 else 'parameters begin'} equal")
        if not self.same_batches:
            parts.append("its batches are other ones")
        return "; ".join(parts)


def pairing(baseline: Run, variant: Run, same_batches: bool) -> Pairing:
    """How the weights of two runs before their first step stand to each other."""
    ours, theirs = (read_tensors(run.model_file, run.identity)[0] for run in (baseline, variant))
    return pairing_of(ours, theirs, same_batches)


def pairing_of(baseline: Tensors, variant: Tensors, same_batches: bool) -> Pairing:
    """The same for weights by name."""
    common = [name for name in baseline if name in variant]
    shaped = [name for name in common if baseline[name].shape == variant[name].shape]
    equal = [name for name in shaped if torch.equal(baseline[name], variant[name])]
    unequal = [name for name in shaped if name not in equal]
    scaled = [name for name in unequal if _is_scaled(baseline[name], variant[name])]
    return Pairing(
        len(equal), tuple(scaled), tuple(name for name in common if name not in shaped),
        tuple(name for name in baseline if name not in variant),
        tuple(name for name in variant if name not in baseline),
        tuple(name for name in unequal if name not in scaled), same_batches,
    )  # fmt: skip


def _is_scaled(one: Tensor, other: Tensor) -> bool:
    """Whether one is a multiple of the other: the cosine of the angle between them is 1."""
    a, b = one.double().flatten(), other.double().flatten()
    lengths = float(a.norm() * b.norm())
    return lengths > 0 and float(a @ b) > (1 - 1e-9) * lengths


def listed(names: tuple[str, ...], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
