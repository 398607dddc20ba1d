"""Checkpoints: everything that a training run needs to resume bit-identically, in one safetensors file.

One file, replaced in one step, so that a kill at any moment leaves a whole checkpoint. Tensors are training's own
weights, the states of their average, of the optimizer, of the task and of the random generators; counters stand as JSON
in the header. Nothing is ever pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import FiniteFloat, NonNegativeFloat, NonNegativeInt
from torch import Tensor

from kqv.errors import ADVICE, RunError
from kqv.files.directory import Directory
from kqv.tensors import Tensors, header_of, opened, read_tensors, write_tensors
from kqv.training.parsing import parsed
from kqv.training.patience import PatienceState
from kqv.training.plans import Plan
from kqv.training.randomness import RandomCounters


class Counters(Plan):
    """What a checkpoint holds beside tensors."""

    step: NonNegativeInt
    seconds: NonNegativeFloat
    scores: dict[str, FiniteFloat]
    random: RandomCounters
    patience: PatienceState = PatienceState()
    best: FiniteFloat | None = None
    lengthened: NonNegativeInt | None = None  # how often the run had been given another number of steps
    due: bool = False  # whether the step has yet to be measured: the training stopped in the midst of an evaluation


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two steps; `losses[step]` are those that no measurement has reported yet."""

    counters: Counters
    model: Tensors
    optimizer: Tensors
    random: Tensors
    losses: Tensor
    task: Tensors = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)

    def write(self, path: Path, run: str | None = None, directory: Directory | None = None) -> None:
        """Write it atomically, as that of the `run` of an identity; errors as of `kqv.tensors.write_tensors`."""
        tensors = {"losses": self.losses}
        for part in ("model", "optimizer", "random", "task", "average"):
            tensors |= {f"{part}/{name}": tensor for name, tensor in getattr(self, part).items()}
        write_tensors(path, tensors, self.counters.model_dump(mode="json"), run, directory)

    @staticmethod
    def read_counters(path: Path) -> Counters:
        """What a checkpoint holds beside tensors, without reading those; `RunError` as `read`."""
        return parsed(Counters, opened(path, header_of), path)

    @classmethod
    def read(cls, path: Path, run: str | None = None) -> Checkpoint:
        """A checkpoint from its file; `RunError` when it is missing or damaged, or not of the `run` of an identity."""
        tensors, header = read_tensors(path, run)
        if "losses" not in tensors:
            raise RunError(f"{path} is damaged: it lacks the tensor losses; {ADVICE}")
        return cls(
            parsed(Counters, header, path),
            model=_under("model/", tensors),
            optimizer=_under("optimizer/", tensors),
            random=_under("random/", tensors),
            losses=tensors["losses"],
            task=_under("task/", tensors),
            average=_under("average/", tensors),
        )


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
