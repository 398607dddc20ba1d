"""`kqv.load`: what a run trained, and what somebody published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import kqv
from kqv.data.digits import DigitData
from kqv.data.text.byte_pairs import train_byte_pairs
from kqv.errors import DataError, RunError
from kqv.generation.sampling import Sampling
from kqv.interchange.hugging_face import write
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.models.recogniser import Recogniser
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.digits.start import start
from kqv.systems.gpt.trained import LoadedGPT

TEXT = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 20


def test_a_run_by_its_path(tmp_path: Path, small_data: DigitData, small_recipe: DigitsRecipe) -> None:
    run, _ = start(small_recipe, small_data, tmp_path / "run", torch.device("cpu"))
    model = kqv.load(run.path)
    assert isinstance(model, Recogniser)
    assert len(model.classify(torch.from_numpy(small_data.test.pixels[:2]))) == 2


def test_a_folder_in_hugging_faces_layout(tmp_path: Path) -> None:
    tokenizer = train_byte_pairs([TEXT], 300)
    torch.manual_seed(0)
    model = GPT(tokenizer.size, Architecture(16, 8, 2, 1))
    write(model, tokenizer, tmp_path / "model")
    loaded = kqv.load(tmp_path / "model")
    assert isinstance(loaded, LoadedGPT)
    greedy = Sampling(temperature=0.0)
    own = LoadedGPT(model.eval(), tokenizer)
    prompt = TEXT[:200]  # longer than the context
    assert loaded.generate(prompt, 12, sampling=greedy) == own.generate(prompt, 12, sampling=greedy)
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"has no tokenizer"):
        kqv.load(tmp_path / "model")


def test_a_folder_that_holds_neither(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is a folder without config\.json, so it holds no run"):
        kqv.load(tmp_path)
