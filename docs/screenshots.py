"""Make the pictures of real models: attention in SmolLM2, and the pages of two traces; all in guide/pictures.

    python docs/screenshots.py

Takes SmolLM2 (`kqv data fetch smollm2`), a minute, and Chromium for the pages.
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
PART = (0, 1010, 1390, 2780)  # of the page of the adder: from the tokens to the keys
FLAGS = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=10000"


def attention_of_it(path: Path) -> None:
    """The heads in which "it" gives other words the most."""
    source = find_model("smollm2")
    trace = system_named(source.system).trace(source, TraceAsked(SENTENCE, None, False), Watcher()).trace
    plot_attention(attended(trace, "it"), path, heads=8, title="SmolLM2: what “it” attends to")
    shrink(path, 1240)


def trace_page(path: Path) -> None:
    """The page of one digit's trace, with the arithmetic of a hidden neuron beside it."""
    photograph(path, "digits --recipe nielsen --data digits8x8", "1", "#layers.0.z[batch=0, out=7]", (WIDE, HIGH))
    with Image.open(path) as picture:
        picture.crop((0, ABOVE, WIDE, HIGH)).save(path)
    shrink(path, WIDE)


def adder_page(path: Path) -> None:
    """Of the page that holds all numbers of an adder, the first tensors."""
    photograph(path, "adder", "27+13", "#blocks.0.attention.weights[batch=0, head=1, query=6, key=1]", (1840, 5600))
    with Image.open(path) as picture:
        picture.crop(PART).save(path)
    shrink(path, PART[2] - PART[0])


def photograph(path: Path, trained: str, traced: str, cell: str, window: tuple[int, int]) -> None:
    """What the browser shows of the page of a trace, with a cell chosen: after `kqv train` with some words."""
    browser = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as folder:
        run, page = f"{folder}/run", Path(folder, "trace.html")
        for words in (f"train {trained} --out {run}", f"trace {run} {traced} --html {page}"):
            subprocess.run([sys.executable, "-m", "kqv", *words.split()], check=True, capture_output=True)
        subprocess.run(
            [browser, *FLAGS.split(), f"--user-data-dir={folder}/profile", f"--window-size={window[0]},{window[1]}",
             f"--screenshot={path}", f"{page.as_uri()}{cell}"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


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
    adder_page(PICTURES / "one-page.png")
