"""A run that is there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kqv
from kqv.training.run import Run


def small_run(folder: Path, steps: int = 12, **choices: Any) -> Run:
    """A digit network that was trained for a few steps."""
    return kqv.train("digits", layers=1, width=8, steps=steps, out=folder / "small", **choices).run
