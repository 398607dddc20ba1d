"""Make the pictures of real models: attention in SmolLM2, and the page of a trace; both in guide/pictures.

    python docs/screenshots.py

Takes SmolLM2 (`kqv data fetch smollm2`), 30 seconds, and Chromium for the page.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from kqv.plots.attention import plot_attention
from kqv.systems.source import find_model
from kqv.systems.system import TraceAsked, Watcher, system_named
from kqv.trace.views.attention import attended

PICTURES = Path(__file__).parent / "guide" / "pictures"
SENTENCE = "The pizza came out of the oven and it tasted good."
WIDE, HIGH, ABOVE = 1240, 930, 322  # the page's window, and what stands above its first tensor
FLAGS = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=10000"


def attention_of_it(path: Path) -> None:
    """The heads in which "it" gives other words the most."""
    source = find_model("smollm2")
    trace = system_named(source.system).trace(source, TraceAsked(SENTENCE, None, False), Watcher()).trace
    plot_attention(attended(trace, "it"), path, heads=8, title="SmolLM2: what “it” attends to")
    shrink(path, 1240)


def trace_page(path: Path) -> None:
    """The page of one digit's trace, with the arithmetic of a hidden neuron beside it."""
    browser = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as folder:
        run, page = f"{folder}/run", Path(folder, "trace.html")
        for words in (f"train digits --recipe nielsen --data digits8x8 --out {run}", f"trace {run} 1 --html {page}"):
            subprocess.run([sys.executable, "-m", "kqv", *words.split()], check=True, capture_output=True)
        subprocess.run(
            [browser, *FLAGS.split(), f"--user-data-dir={folder}/profile", f"--window-size={WIDE},{HIGH}",
             f"--screenshot={path}", f"{page.as_uri()}#layers.0.z[batch=0, out=7]"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    with Image.open(path) as picture:
        picture.crop((0, ABOVE, WIDE, HIGH)).save(path)
    shrink(path, WIDE)


def shrink(path: Path, wide: int) -> None:
    """A picture of at most so many pixels in width, in 128 colours."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    if small.width > wide:
        small = small.resize((wide, round(small.height * wide / small.width)), Image.Resampling.LANCZOS)
    small.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    attention_of_it(PICTURES / "attention-of-it.png")
    trace_page(PICTURES / "trace.png")
