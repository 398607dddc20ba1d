"""What a run's model says with its latest weights: verdicts on held-out pictures, translations, sums, text."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kqv.data.digits import load_digits
from kqv.data.labelled import Pictures
from kqv.data.sums import held_out, numbers_of
from kqv.errors import DataError, Error, RunError
from kqv.models.recogniser import Recogniser
from kqv.systems.adder.trained import LoadedAdder
from kqv.systems.gpt.trained import LoadedGPT
from kqv.systems.source import run_source
from kqv.systems.system import Watcher, system_named
from kqv.systems.translation.planned import load as load_pairs
from kqv.systems.translation.trained import LoadedTranslator, translation_recipe_of
from kqv.training.checkpoint import Checkpoint
from kqv.training.run import Run

JUDGED = 1000  # held-out pictures that are looked at
WRONG = 24  # of so many wrong verdicts the pictures are shown
TOKENS = 60  # that a language model writes
SENTENCES, SUMS = 4, 8
KEPT, RUNS = 60, 8  # looks of a run, and runs


@dataclass
class Looks:
    """What was seen of each run, by step."""

    seen: OrderedDict[str, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
        """Keep what was seen; all of the run that is kept, in the order of the steps."""
        before = [one for one in self.seen.get(name, []) if one["step"] < found["step"]]
        self.seen[name] = [*before, found][-KEPT:]
        self.seen.move_to_end(name)
        while len(self.seen) > RUNS:
            self.seen.popitem(last=False)
        return self.seen[name]

    def last(self, name: str) -> dict[str, Any] | None:
        """The last one of a run."""
        seen = self.seen.get(name)
        return seen[-1] if seen else None


def looks_of(kept: Looks, run: Run) -> dict[str, Any]:
    """What a run's model says now, and what it said before; one at a time, since each takes a core."""
    name = run.path.name
    with kept.lock:
        step = Checkpoint.read_counters(run.checkpoint_file).step
        last = kept.last(name)
        found = kept.seen[name] if last is not None and last["step"] == step else kept.add(name, _look(run, step))
        return {"looks": found, "samples": run.samples()[-KEPT:]}


def _look(run: Run, step: int) -> dict[str, Any]:
    model = system_named(run.recipe.system).load(run_source(run), False)
    try:
        return {"step": step, **_said(model, run)}
    except Error as failure:
        return {"step": step, "kind": "nothing", "problem": str(failure)}


def _said(model: Any, run: Run) -> dict[str, Any]:
    if isinstance(model, Recogniser):
        return _verdicts(model, run)
    if isinstance(model, LoadedTranslator):
        return _translations(model, run)
    if isinstance(model, LoadedAdder):
        return _sums(model)
    if isinstance(model, LoadedGPT):
        return _text(model)
    return {"kind": "nothing"}


@lru_cache(maxsize=4)
def held_out_pictures(data: str) -> Pictures:
    """The first pictures of the validation set."""
    return load_digits(data).validation[:JUDGED]


def _verdicts(model: Recogniser, run: Run) -> dict[str, Any]:
    pictures = held_out_pictures(run.recipe.data.name)
    verdicts = model.classify(torch.from_numpy(np.ascontiguousarray(pictures.pixels)))
    labels = [int(label) for label in pictures.labels]
    wrong = [number for number, label in enumerate(labels) if verdicts[number].position != label]
    first = [labels.index(label) for label in range(len(model.classes)) if label in labels]
    shown = [*first, *[number for number in wrong if number not in first][:WRONG]]
    return {
        "kind": "pictures", "of": len(labels), "right": len(labels) - len(wrong), "classes": list(model.classes),
        "shape": list(pictures.pixels.shape[1:]), "fixed": len(first),
        "shown": [
            {
                "picture": number, "label": model.classes[labels[number]], "said": verdicts[number].label,
                "probability": verdicts[number].probabilities[labels[number]],
                "confidence": verdicts[number].confidence,
            }
            for number in shown
        ],
    }  # fmt: skip


def pixels_of(run: Run, pictures: list[int]) -> npt.NDArray[np.uint8]:
    """Held-out pictures `[picture, row, column]`; `Error` for one that there is not."""
    pixels = held_out_pictures(run.recipe.data.name).pixels
    wrong = next((number for number in pictures if not 0 <= number < len(pixels)), None)
    if wrong is not None:
        raise RunError(f"there is no held-out picture {wrong}; there are 0 to {len(pixels) - 1}")
    return pixels[pictures]


@lru_cache(maxsize=4)
def _held_out_pairs(path: str, changed: float) -> tuple[tuple[str, str], ...]:
    recipe = translation_recipe_of(Run.find(path))
    return load_pairs(recipe.data, Watcher()).validation[:SENTENCES]


def _translations(model: LoadedTranslator, run: Run) -> dict[str, Any]:
    pairs = _held_out_pairs(str(run.path), 0.0)
    said = [model.translate(source, beams=1) for source, _ in pairs]
    found = [
        {"source": source, "reference": target, "said": text}
        for (source, target), text in zip(pairs, said, strict=True)
    ]
    return {"kind": "translations", "shown": found}


def _sums(model: LoadedAdder) -> dict[str, Any]:
    pairs = held_out(SUMS, model.digits, "validation")
    answers = [
        model.add(int(first), int(second))
        for first, second in zip(numbers_of(pairs.first), numbers_of(pairs.second), strict=True)
    ]
    shown = [
        {"source": f"{first} + {second}", "reference": str(answer.right), "said": str(answer.number)}
        for first, second, answer in zip(numbers_of(pairs.first), numbers_of(pairs.second), answers, strict=True)
    ]
    return {"kind": "translations", "shown": shown[:SUMS]}


def _text(model: LoadedGPT) -> dict[str, Any]:
    try:
        return {"kind": "text", "text": model.generate("\n", TOKENS)}
    except DataError:  # a vocabulary without a line's end
        return {"kind": "text", "text": model.generate("the", TOKENS)}
