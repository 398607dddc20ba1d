"""What a measurement needs to say of itself: the processor's name, the threads; and how sure a median is."""

from __future__ import annotations

import platform
import random
import statistics
from pathlib import Path
from typing import Any

import torch

DRAWS = 1000


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Processor, threads and PyTorch, for a table or JSON."""
    return {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """Between which numbers the median lies, by drawing as many values anew (Efron 1979, percentile bootstrap)."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(DRAWS))
    outside = int(DRAWS * (1 - level) / 2)
    return medians[outside], medians[-1 - outside]
