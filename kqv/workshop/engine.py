"""Runs in the learner's process: trains a network on real digits, with the learner's functions in place of kqv's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kqv.data.digits import Pictures, load_digits
from kqv.errors import Error
from kqv.workshop.catalogue import exercise
from kqv.workshop.learner import described, read
from kqv.workshop.networks import make_network, operation_of

SEED = 1
Tell = Callable[[dict[str, Any]], None]


def train(request: dict[str, Any], path: Path, tell: Tell) -> None:
    """Train as the request says; one event before, one after each epoch, one with the result on the test digits.

    What the learner's code raises is an event, too, and so is what is wrong with the data.
    """
    try:
        _train(request, path, tell)
    except Error as failure:
        tell({"error": str(failure)})
    except (Exception, SystemExit) as failure:
        tell({"raised": described(failure, path)})


def _train(request: dict[str, Any], path: Path, tell: Tell) -> None:
    chosen = exercise(request["exercise"]).training.with_epochs(request["epochs"], request["data"])
    data = load_digits(request["data"])
    learnt, validated, tested = (pairs(part, len(data.classes)) for part in (data.train, data.validation, data.test))
    torch.manual_seed(SEED)
    random.seed(SEED)
    tell({"started": True})
    mine = read(path)
    network = make_network(chosen, mine, learnt[0][0].shape[0], data.classes)
    tell({"sizes": list(network.sizes), "data": data.name, "pictures": len(learnt), "epochs": chosen.epochs})
    if chosen.apart is not None:
        tell({"apart": chosen.apart(network, mine, learnt[: chosen.batch])})
    begin = time.perf_counter()
    with operation_of(chosen, mine):
        for epoch in range(1, chosen.epochs + 1):
            network.SGD(learnt, 1, chosen.batch, chosen.eta)
            right = int(network.evaluate(validated))
            tell({"epoch": epoch, "accuracy": right / len(validated), "seconds": time.perf_counter() - begin})
        right = int(network.evaluate(tested))
    tell({"accuracy": right / len(tested), "right": right, "tested": len(tested)})


def pairs(pictures: Pictures, classes: int) -> list[tuple[Any, Any]]:
    """Pictures as the textbook has them: x `[in, 1]` from 0 to 1, and y `[class, 1]` with a 1 for the right class."""
    pixels = pictures.pixels.reshape(len(pictures), -1, 1) / 255.0
    return list(zip(pixels, np.eye(classes)[pictures.labels][:, :, None], strict=True))
