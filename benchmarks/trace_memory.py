"""How much memory and time a trace of GPT-2 124M takes, whole and for single numbers, in processes of their own.

    python benchmarks/trace_memory.py                   # 1,025 tokens: its context, and one to predict
    python benchmarks/trace_memory.py --tokens 65 --whole

The weights are random, which changes neither. Memory is the most that the process held, Python, PyTorch (0.2 GB) and
the model's 0.5 GB among it. `--whole` adds the trace of all tensors, forward and backward.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

CELLS = (
    "blocks.5.attention.scores[0,3,40,7]", "logits[0,30,1000]", "grad:blocks.5.attention.scores[0,3,40,7]",
    "grad:blocks.4.output[0,30,7]", "grad:embedded[0,30,7]", "grad:blocks.5.feed_forward.widen.weight[7,7]",
    "grad:logits[0,30,1000]", "grad:tokens.weight[1000,7]",
)  # fmt: skip


def main() -> None:
    """Each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1025)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell is not None:
        trace(given.tokens, given.cell)
    for cell in [*CELLS, *([""] if given.whole else [])] if given.cell is None else []:
        subprocess.run([sys.executable, __file__, "--tokens", str(given.tokens), "--cell", cell], check=True)


def trace(tokens: int, cell: str) -> None:
    """Trace one cell, or all, and print what that took."""
    import torch

    from kqv.models.gpt import gpt2
    from kqv.systems.gpt.traced import trace_text
    from kqv.trace.trace import Trace
    from kqv.trace.window import Window, trace_for

    torch.manual_seed(0)
    model, ids = gpt2(), torch.randint(0, 50_257, (tokens,))

    def trace_in(window: Window | None) -> Trace:
        return trace_text(model, ids, backward=window is None or window.backward, window=window)

    began = time.monotonic()
    found = trace_for([cell] if cell else [], model, trace_in)
    if cell:
        found.cell(cell).text(100)
    seconds = time.monotonic() - began
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"{cell or 'everything':46} {peak / 1e9:5.2f} GB {seconds:6.1f} s")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
