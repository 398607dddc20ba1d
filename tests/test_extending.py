"""Every file that docs/extending.md shows is what it says: it can be chosen by name, trains, and is explained."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import kqv
from kqv.data import sets
from kqv.data.digits import load_digits
from kqv.data.sets import PICTURES, SOURCES
from kqv.errors import DataError, Error
from kqv.interchange.hugging_face import write
from kqv.models.architecture import Architecture
from kqv.models.cache import Cache
from kqv.models.gpt import GPT
from kqv.models.scores import SCORES
from kqv.systems.digits.traced import load_for_tracing, trace_pictures
from kqv.training import optimizers
from kqv.training.optimizers import OPTIMIZERS
from kqv.workshop import exercises as room
from kqv.workshop.catalogue import exercise, exercises, names
from kqv.workshop.diagnosis import judge
from kqv.workshop.learner import try_cases

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?:file (?P<path>[\w/.]+)|test) -->\n```python\n(?P<code>.*?)```", re.DOTALL)
FILES = {found["path"] or "test": found["code"] for found in BLOCK.finditer(PAGE)}


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that puts a file of the page into a folder of the package, as far as imports can tell."""
    known = set(sys.modules)

    def drop(path: str, package: ModuleType) -> ModuleType:
        file = tmp_path / Path(path).name
        file.write_text(FILES[path], encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        invalidate_caches()
        return import_module(f"{package.__name__}.{file.stem}")

    yield drop
    for name in set(sys.modules) - known:
        if name.startswith("kqv."):
            del sys.modules[name]


@pytest.fixture
def score() -> Iterator[dict[str, Any]]:
    """The page's score, with its test, as names."""
    found: dict[str, Any] = {"__name__": "kqv.models.by_channels"}
    exec(FILES["kqv/models/scores.py"], found)
    exec("from kqv.models.heads import Heads\nimport torch\n" + FILES["test"], found)
    yield found
    del SCORES["by-channels"]


def test_a_score(score: dict[str, Any], tmp_path: Path) -> None:
    score["test_scores_by_channels"]()
    torch.manual_seed(0)
    architecture = Architecture(score="by-channels", context=12, width=16, heads=2, blocks=1)
    model, ids = GPT(20, architecture), torch.randint(20, (1, 9))
    model.loss(model(ids), ids).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with torch.no_grad():
        cache = model.new_cache(1)
        assert isinstance(cache, Cache)
        steps = [model(ids[:, at : at + 1], cache) for at in range(9)]
        torch.testing.assert_close(torch.cat(steps, 1), model(ids), rtol=1e-4, atol=1e-5)
    with kqv.Trace(model) as trace:
        model.loss(model(ids), ids).backward()
    for cell in ("blocks.0.attention.scores[0,1,5,2]", "grad:blocks.0.attention.products[0,1,5,2]"):
        assert trace.cell(cell).agrees
    with pytest.raises((Error, DataError), match="by-channels"):
        write(model, None, tmp_path / "model")


def test_an_optimizer(dropped: Any, here: Path) -> None:
    dropped("kqv/training/optimizers/sign_descent.py", optimizers)
    try:
        trained = kqv.train("digits", optimizer="sign-descent", steps=60)
        assert trained.run.recipe.training.optimizer == "sign-descent"
        assert trained.result.scores["accuracy"] > 0.7
        model, optimizer = load_for_tracing(trained.run)
        trace = trace_pictures(model, torch.zeros(1, 8, 8, dtype=torch.uint8), torch.tensor([3]), optimizer)
        explained = trace.cell("update:layers.2.bias[3]")
        assert explained.agrees
        assert "sgn" in explained.formula
    finally:
        del OPTIMIZERS["sign-descent"]


def test_a_data_set(dropped: Any, here: Path) -> None:
    dropped("kqv/data/sets/xor.py", sets)
    try:
        trained = kqv.train("digits", data="xor", steps=60)
        assert trained.run.recipe.data.name == "xor"
        assert trained.result.scores["accuracy"] > 0.95
        linear = kqv.train("digits", data="xor", layers=0, steps=60)
        assert linear.result.scores["accuracy"] < 0.8, "the note says that it cannot be learnt so"
        test = load_digits("xor").test
        model, _ = load_for_tracing(trained.run)
        trace = trace_pictures(model, torch.from_numpy(test.pixels[:2]), torch.from_numpy(test.labels[:2]))
        for cell in ("verdict[1]", "grad:layers.0.bias[3]"):
            assert trace.cell(cell).agrees
    finally:
        del SOURCES["xor"], PICTURES["xor"]


def test_an_exercise(dropped: Any) -> None:
    dropped("kqv/workshop/exercises/relu.py", room)
    exercises.cache_clear()
    try:
        assert "relu" in names()
        function = exercise("relu").functions[0]
        assert judge(function, try_cases(function.reference, function.tries)).passed
        wrong = judge(function, try_cases(function.mistakes[0].function, function.tries))
        assert not wrong.passed
    finally:
        exercises.cache_clear()


def test_every_file_of_the_page_is_run() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert len(FILES) >= 5
    assert [path for path in FILES if f'"{path}"' not in tested] == []
