"""Photograph the rooms of `kqv lab` on real models, for the guide and the README; all in guide/pictures.

    python docs/lab_pictures.py [NAME …]

Takes SmolLM2 (`kqv data fetch smollm2`), Chromium and Playwright, the lab's pages (`python hatch_build.py`), and a few
minutes: it trains a digit network and a small GPT first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from screenshots import PICTURES, SENTENCE, shrink

sys.path.append(str(Path(__file__).parent.parent / "tests" / "lab" / "browser"))
from seven import draw_seven

WIDTH = 1240
PATIENCE = 300_000  # milliseconds
TRAINED = (
    "train digits --out runs/digits",
    "train gpt --data shakespeare --recipe shakespeare-fast --out runs/shakespeare",
)
"""What the lab finds in its folder."""


def digits(page: Any) -> None:
    """A seven is drawn, recognised, and its error followed back."""
    draw_seven(page)
    page.get_by_role("button", name="7", exact=True).click()
    page.locator("#stage-5").wait_for()


def sentence(page: Any) -> None:
    """The pizza's sentence in SmolLM2: what "it" looks at."""
    page.get_by_label("Model", exact=True).select_option("smollm2")
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("heading", name="Who looks at whom").wait_for()
    words = page.locator("[data-asking]").all_inner_texts()
    page.locator(f"[data-asking='{next(n for n, word in enumerate(words) if word.strip() == 'it')}']").first.click()
    page.locator("[data-head='13-8']").click()
    page.get_by_role("heading", name="block 13, head 8").wait_for()


def tensors(page: Any) -> None:
    """One attention weight of that sentence, with its arithmetic."""
    sentence(page)
    page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button").first.click()
    page.get_by_role("button", name="Where does this weight come from?").click()
    page.get_by_role("complementary", name="One number").get_by_text("attention.weights").first.wait_for()


def shapes(page: Any) -> None:
    """GPT-3's shapes."""
    page.get_by_role("heading").first.wait_for()


def training(page: Any) -> None:
    """The run of the small GPT."""
    page.get_by_text("shakespeare").first.wait_for()
    page.get_by_text("shakespeare").first.click()


ROOMS: dict[str, tuple[str, Callable[[Any], None], int]] = {
    "lab-digits": ("#/digits", digits, 1500),
    "lab-sentence": ("#/sentence", sentence, 1150),
    "lab-number": ("#/sentence", tensors, 1150),
    "lab-shapes": ("#/shapes?model=gpt3-175b", shapes, 1000),
    "lab-training": ("#/training", training, 1000),
}
"""Each picture's address in the lab, what is done there, and its height in pixels."""


@contextmanager
def opened() -> Iterator[str]:
    """The address of a lab with those runs."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with tempfile.TemporaryDirectory() as folder:
        for words in TRAINED:
            kqv = [sys.executable, "-m", "kqv", *words.split()]
            subprocess.run(kqv, cwd=folder, env=environment, check=True, capture_output=True)
        kqv = [sys.executable, "-m", "kqv", "lab", "smollm2", "--no-browser", "--port", "0"]
        with subprocess.Popen(kqv, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as lab:
            assert lab.stdout is not None
            line = lab.stdout.readline()
            yield line.split()[-1]
            lab.terminate()


def photograph(names: list[str]) -> None:
    """Take these pictures."""
    browser = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with opened() as address, sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        for name in names:
            hash_, act, high = ROOMS[name]
            page = running.new_page(viewport={"width": WIDTH, "height": high})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}{hash_}")
            act(page)
            page.wait_for_load_state("networkidle")
            time.sleep(1)  # what moves has come to rest
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=PICTURES / f"{name}.png")
            shrink(PICTURES / f"{name}.png", WIDTH)
            page.close()
        running.close()


if __name__ == "__main__":
    photograph(sys.argv[1:] or list(ROOMS))
