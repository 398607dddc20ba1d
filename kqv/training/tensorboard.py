"""A run's measurements for TensorBoard, which draws them while it trains: the same numbers as in metrics.jsonl."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kqv.errors import Error

FOLDER = "tensorboard"
NOT_SHOWN = ("step", "seconds")


def require_tensorboard() -> None:
    """Raise `Error`, which says how to install it, where TensorBoard's package is missing."""
    if find_spec("tensorboard") is None:
        raise Error('--tensorboard needs a package more; install it with: pip install "kqv[tensorboard]"')


class TensorBoard:
    """Writes measurements into the folder `tensorboard` of a run; what stands there after `step` is made again.

    Raises `Error` where the package is not installed.
    """

    def __init__(self, run: Path, step: int = 0) -> None:
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run / FOLDER), purge_step=step + 1 if step else None)

    def add(self, content: dict[str, Any]) -> None:
        """One measurement, a line of metrics.jsonl."""
        for name, value in content.items():
            if name not in NOT_SHOWN:
                self._writer.add_scalar(name, value, content["step"])
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()
