"""The textbook's digits: [784, 30, 10], quadratic cost, η 3, mini-batches of 10, 30 epochs, with a test after each.

    python benchmarks/nielsen.py --seeds 5

Three ways in one run: a plain per-example NumPy loop written from the article's formulas (`numpy_network.py`), one
epoch before each seed; the book's interface, `kqv.Network.SGD`; and the recipe, `kqv train digits --recipe nielsen`.
Times are of an epoch with its test (the recipe's: with its validation), as medians. The best epoch is the best on the
test set, as the book prints it; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import statistics
import tempfile
import time

import numpy as np
import torch
from digits import kqv as command
from numpy_network import NumpyNetwork, Pair

from kqv.data.columns import load_data_wrapper
from kqv.models.network import Network

EPOCHS, BATCH, ETA = 30, 10, 3.0


def numpy_epoch(train: list[Pair], test: list[tuple[np.ndarray, int]]) -> float:
    """Seconds of one epoch of the per-example loop, with its test."""
    network, data = NumpyNetwork([784, 30, 10]), list(train)
    began = time.perf_counter()
    network.SGD(data, 1, BATCH, ETA)
    network.evaluate(test)
    return time.perf_counter() - began


def book_run(train: list[Pair], test: list[tuple[np.ndarray, int]], seed: int) -> tuple[float, list[int]]:
    """Seconds for each epoch of the book's interface, and how many were right after each."""
    torch.manual_seed(seed)
    random.seed(seed)
    network, said = Network([784, 30, 10]), io.StringIO()
    began = time.perf_counter()
    with contextlib.redirect_stdout(said):
        network.SGD(train, EPOCHS, BATCH, ETA, test_data=test)
    seconds = (time.perf_counter() - began) / EPOCHS
    return seconds, [int(line.split()[2]) for line in said.getvalue().splitlines()]


def recipe_run(seed: int) -> tuple[float, float]:
    """Seconds for each epoch of the recipe, and its accuracy on the test set after the last."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("train", "digits", "--recipe", "nielsen", "--seed", str(seed), "--out", "run")
        trained = command(*words, folder=folder)
        return trained["seconds"] / EPOCHS, command("evaluate", "run", folder=folder)["accuracy"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(1, parser.parse_args().seeds + 1)
    train, _, test = load_data_wrapper("mnist")
    loop, book, recipe, final, best, recipes = [], [], [], [], [], []
    for seed in seeds:
        loop.append(numpy_epoch(train, test))
        seconds, right = book_run(train, test, seed)
        book.append(seconds)
        final.append(100 * right[-1] / len(test))
        best.append(100 * max(right) / len(test))
        seconds, accuracy = recipe_run(seed)
        recipe.append(seconds)
        recipes.append(100 * accuracy)
        print(f"seed {seed}: loop {loop[-1]:.2f} s, SGD {book[-1]:.3f} s ({final[-1]:.2f} %, best {best[-1]:.2f} %), "
              f"recipe {recipe[-1]:.3f} s ({recipes[-1]:.2f} %)", flush=True)  # fmt: skip
    slow = statistics.median(loop)
    for name, times in (("Network.SGD", book), ("recipe", recipe)):
        ratio = statistics.median(own / other for own, other in zip(times, loop, strict=True))
        print(
            f"{name}: {statistics.median(times):.3f} s an epoch, the loop {slow:.2f} s: 1/{1 / ratio:.1f} of its time"
        )
    print(f"Network.SGD: last epoch {statistics.mean(final):.2f} % ± {statistics.stdev(final):.2f}, best epoch "
          f"{statistics.mean(best):.2f} % ± {statistics.stdev(best):.2f}; recipe: "
          f"{statistics.mean(recipes):.2f} % ± {statistics.stdev(recipes):.2f} "
          f"(test set, {len(final)} seeds)")  # fmt: skip


if __name__ == "__main__":
    main()
