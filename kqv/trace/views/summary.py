"""A tensor in a few numbers: smallest, mean, largest, root mean square; what is not finite is counted apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from kqv.arithmetic import number


@dataclass(frozen=True)
class Summary:
    """Statistics of the finite numbers of a tensor (None where it has none), and how many are not finite."""

    count: int
    minimum: float | None = None
    mean: float | None = None
    maximum: float | None = None
    rms: float | None = None
    minus_infinity: int = 0
    plus_infinity: int = 0
    not_a_number: int = 0

    @classmethod
    def of(cls, value: Tensor) -> Summary:
        """Summarise a tensor of any type; sums are made in float64."""
        count = value.numel()
        numbers = value.detach().reshape(-1)
        counts = {"minus_infinity": 0, "plus_infinity": 0, "not_a_number": 0}
        if value.is_floating_point():
            finite = numbers.isfinite()
            if not bool(finite.all()):
                counts = {
                    "minus_infinity": int((numbers == -torch.inf).sum()),
                    "plus_infinity": int((numbers == torch.inf).sum()),
                    "not_a_number": int(numbers.isnan().sum()),
                }
                numbers = numbers[finite]
        elif value.dtype == torch.bool:
            numbers = numbers.to(torch.uint8)
        if numbers.numel() == 0:
            return cls(count, **counts)
        mean = numbers.mean(dtype=torch.float64)
        rms = numbers.to(torch.float64).square().mean().sqrt()
        return cls(count, float(numbers.min()), float(mean), float(numbers.max()), float(rms), **counts)

    def text(self) -> str:
        """`min −1.2 · mean 0.03 · max 2.1`, with the count of what is not finite."""
        if self.count == 0:
            return "empty"
        if self.count == 1 and self.minimum is not None:
            return f"= {number(self.minimum)}"
        parts = []
        if self.minimum is not None and self.mean is not None and self.maximum is not None:
            parts = [f"min {short(self.minimum)}", f"mean {short(self.mean)}", f"max {short(self.maximum)}"]
        for size, sign in ((self.minus_infinity, "−∞"), (self.plus_infinity, "+∞"), (self.not_a_number, "NaN")):
            if size:
                parts.append(f"{size} × {sign}")
        return " · ".join(parts)

    def as_dict(self) -> dict[str, float | int | None]:
        """The same for JSON."""
        return asdict(self)


def short(value: float) -> str:
    """A number in three significant digits."""
    return f"{value:.3g}".replace("-", "−")
