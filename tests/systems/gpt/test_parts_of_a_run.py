"""A run keeps which parts its model has and comes back with them; where nothing is said of a part, it is the usual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.errors import Error
from kqv.models.architecture import Architecture
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan, gpt
from kqv.systems.source import run_source
from kqv.systems.system import Asked, Watcher, system_named
from kqv.systems.training import begin
from kqv.systems.translation.recipes import TranslationRecipe, numbers_dates
from kqv.training.distributed import ALONE
from kqv.training.plans import Recipe, TrainingPlan

NEW = ("score", "scale", "mask", "window", "normaliser", "residual")
PARTS: list[dict[str, Any]] = [
    {"score": "additive", "scale": "learned", "positions": "alibi", "normaliser": "softmax1"},
    {"score": "cosine", "mask": "window", "window": 3, "norm": "none", "residual": "none", "normaliser": "relu"},
    {"mask": "window", "feed_forward": "relu-squared"},
]


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: " ".join(map(str, parts.values())))
def test_a_run_comes_back_with_its_parts(parts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 60, encoding="utf-8")
    recipe = GPTRecipe(
        name="small",
        model=Architecture(context=16, width=16, heads=2, blocks=2, **parts),
        data=TextPlan(name=str(tmp_path / "text.txt"), tokenizer="characters"),
        training=TrainingPlan(batch=4, learning_rate=1e-2, steps=3),
    )
    found = begin(system_named("gpt"), Asked(recipe), tmp_path / "run", ALONE, Watcher())
    found.trainer.train()
    trained: Any = found.trainer.task.model
    loaded: Any = system_named("gpt").load(run_source(found.run), False)
    assert loaded.model.architecture == trained.architecture
    ids = torch.arange(10)[None]
    torch.testing.assert_close(loaded.model(ids), trained.eval()(ids), rtol=0, atol=0)
    assert len(loaded.generate("to be", 30)) == 30


@pytest.mark.parametrize("recipe", [gpt(), numbers_dates()], ids=["gpt", "translate"])
def test_a_recipe_that_does_not_speak_of_them_has_the_usual_ones(recipe: Recipe) -> None:
    content = json.loads(recipe.model_dump_json())
    for field in NEW:
        del content["model"][field]
    kind: Any = GPTRecipe if isinstance(recipe, GPTRecipe) else TranslationRecipe
    assert kind.model_validate(content) == recipe


@pytest.mark.parametrize("kind", [Architecture, TranslatorArchitecture])
@pytest.mark.parametrize("field", [field for field in NEW if field != "window"])
def test_a_part_that_does_not_exist_is_refused_with_those_that_do(kind: Any, field: str) -> None:
    with pytest.raises(Error, match=rf"there is no {field} 'mean'; choose one of: \w+, \w+"):
        kind(**{field: "mean"})
