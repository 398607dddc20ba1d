"""A run's weights over time: how they are spread, and pictures of some, from the files that training saves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kqv.errors import RunError
from kqv.tensors import opened
from kqv.training.checkpoint import Checkpoint
from kqv.training.run import Run

LEVELS = tuple(number / 32 for number in range(33))
"""Quantiles that are kept of each tensor: from the smallest weight to the largest."""

SNAPSHOTS, PICTURES = 120, 48  # where there are more in time, every second one
CHOSEN = 3  # of so many tensors pictures are kept
SIDE = 256  # rows and columns of a picture
SAMPLE = 20_000  # weights of a tensor that its quantiles are of
LARGEST = 400_000_000  # bytes of a file that is read again and again

Array = npt.NDArray[np.float32]


@dataclass
class Pictures:
    """The weights of one tensor as `[row, column]` at some steps: all, or the first rows and columns."""

    at: list[tuple[int, Array]] = field(default_factory=list)

    def add(self, step: int, picture: Array) -> None:
        """Keep the weights of a step."""
        self.at = [one for one in self.at if one[0] < step]
        self.at.append((step, picture))
        if len(self.at) > PICTURES:
            self.at = [*self.at[:-1:2], self.at[-1]]


class History:
    """The weights of a run whenever it saved them, from when it was first looked at."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.steps: list[int] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.spread: dict[str, list[Array]] = {}
        self.pictures: dict[str, Pictures] = {}
        self._changed = -1.0
        self._lock = threading.Lock()

    def look(self) -> bool:
        """Read the weights, if others were saved since; whether that is so."""
        with self._lock:
            try:
                changed = self.run.checkpoint_file.stat().st_mtime
                if changed == self._changed or self.run.model_file.stat().st_size > LARGEST:
                    return False
                step = Checkpoint.read_counters(self.run.checkpoint_file).step
                spread, pictures = opened(self.run.model_file, self._read)
            except (OSError, RunError):
                return False
            self._changed = changed
            self._keep(step, spread, pictures)
            return True

    def _read(self, file: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        spread = {}
        for name in file.keys():  # noqa: SIM118 - it is no dict
            weights = file.get_tensor(name)
            if not weights.is_floating_point() or not weights.numel():
                continue
            self.shapes[name] = tuple(weights.shape)
            flat = weights.flatten()
            part = flat[:: max(1, flat.numel() // SAMPLE)].float().numpy()
            spread[name] = np.quantile(part, LEVELS).astype(np.float32)
        if not self.pictures:
            first = next((name for name, shape in self.shapes.items() if len(shape) > 1), None)
            self.pictures = {} if first is None else {first: Pictures()}
        return spread, {name: _picture(file.get_tensor(name)) for name in self.pictures if name in self.shapes}

    def _keep(self, step: int, spread: dict[str, Array], pictures: dict[str, Array]) -> None:
        kept = [number for number, known in enumerate(self.steps) if known < step]  # it may have been set back
        self.steps = [self.steps[number] for number in kept] + [step]
        self.spread = {
            name: [self.spread[name][number] for number in kept if name in self.spread] + [found]
            for name, found in spread.items()
        }
        for name, picture in pictures.items():
            self.pictures[name].add(step, picture)
        if len(self.steps) > SNAPSHOTS:
            self.steps = [*self.steps[:-1:2], self.steps[-1]]
            self.spread = {name: [*found[:-1:2], found[-1]] for name, found in self.spread.items()}

    def described(self) -> dict[str, Any]:
        """What there is: tensors with their shapes, the steps of the snapshots, and of which there are pictures."""
        with self._lock:
            return {
                "tensors": [{"name": name, "shape": list(shape)} for name, shape in self.shapes.items()],
                "steps": self.steps, "levels": list(LEVELS),
                "pictures": {name: [step for step, _ in found.at] for name, found in self.pictures.items()},
            }  # fmt: skip

    def spread_of(self, name: str) -> Array:
        """For each snapshot its step, and the quantiles of a tensor."""
        with self._lock:
            self._require(name)
            rows = [[step, *found] for step, found in zip(self.steps, self.spread[name], strict=True)]
            return np.array(rows, dtype=np.float32)

    def picture_of(self, name: str, step: int | None = None) -> Array:
        """The weights of a tensor at a step, or the last that was saved before it; kept from now on."""
        with self._lock:
            self._require(name)
            if name not in self.pictures:
                while len(self.pictures) >= CHOSEN:
                    del self.pictures[next(iter(self.pictures))]
                self.pictures[name] = Pictures()
            found = self.pictures[name]
            if not found.at:
                found.add(self.steps[-1], opened(self.run.model_file, lambda file: _picture(file.get_tensor(name))))
            earlier = [picture for known, picture in found.at if step is None or known <= step]
            return earlier[-1] if earlier else found.at[0][1]

    def _require(self, name: str) -> None:
        if name not in self.spread:
            raise RunError(f"{self.run.path.name} has no weights {name!r}; it has: {', '.join(self.spread)}")


def _picture(weights: Any) -> Array:
    """A tensor as `[row, column]`: its first axis, and all others; a vector is one row."""
    rows = weights.float().reshape(1, -1) if weights.dim() < 2 else weights.float().flatten(1)
    found: Array = rows[:SIDE, :SIDE].contiguous().numpy()
    return found
