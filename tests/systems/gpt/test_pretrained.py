"""Starting from a run, a folder in Hugging Face's layout, or a name on its hub; and vocabularies of somebody else."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_models import CONTEXT, TEXT, ours, tokenizers
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers, trainers

from kqv.data.text.corpora import Corpus, load_text
from kqv.errors import DataError, Error, RunError
from kqv.interchange import hub, library_tokenizer
from kqv.interchange.hugging_face import read, write
from kqv.interchange.library_tokenizer import LibraryTokenizer
from kqv.models.architecture import Architecture
from kqv.models.families import family_of
from kqv.models.gpt import GPT
from kqv.systems.gpt.pretrained import LONGEST, Pretrained, pretrained
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import resume, start
from kqv.systems.gpt.trained import load_gpt
from kqv.systems.source import find_model
from kqv.tensors import weights_of
from kqv.training.plans import TrainingPlan

CPU = torch.device("cpu")
RECIPE = GPTRecipe(
    name="small", model=Architecture(blocks=1, heads=2, width=16, context=8, dropout=0.1), data=TextPlan(),
    training=TrainingPlan(learning_rate=1e-2, batch=4, steps=6, evaluate_every=6),
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    (tmp_path / "text.txt").write_text(TEXT * 40, encoding="utf-8")
    return load_text(tmp_path / "text.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = tokenizers()["characters"]
    write(ours(tokenizer.size, "qwen3, grouped, own head"), tokenizer, tmp_path / "theirs")
    return tmp_path / "theirs"


def find(name: str) -> Pretrained:
    """What a training starts from, by a name as it is typed."""
    return pretrained(find_model(name, "gpt"))


def test_a_run_starts_with_a_folders_form_weights_and_vocabulary(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    source = find(str(folder))
    recipe = RECIPE.model_copy(update={"data": TextPlan(name=str(tmp_path / "text.txt"))})
    run, trainer = start(recipe, corpus, tmp_path / "run", CPU, weights_from=source)
    begun = load_gpt(run)
    expected, _ = read(folder)
    assert all(torch.equal(begun.model.state_dict()[name], value) for name, value in weights_of(expected).items())
    family = family_of(begun.model.architecture)
    assert family is not None
    assert family.name == "qwen3"
    assert begun.model.architecture.dropout == 0.1, "dropout is how it is trained, not what it is"
    assert run.config.weights_from == str(folder)
    first = trainer.task.evaluate()["loss"]
    assert trainer.train().scores["loss"] < first
    further = resume(run, load_text, CPU, steps=9)
    assert further.train().step == 9
    tokenizer = begun.tokenizer
    write(load_gpt(run).model, tokenizer, tmp_path / "back")
    assert family_of(read(tmp_path / "back")[0].architecture) is family


def test_unknown_characters_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Жизнь " * 100, encoding="utf-8")
    corpus = load_text(tmp_path / "other.txt")
    with pytest.raises(DataError, match=r"U\+0416"):
        start(RECIPE, corpus, tmp_path / "run", CPU, weights_from=find(str(folder)))
    assert not (tmp_path / "run").exists()


def test_a_run_is_found_with_its_recipe(folder: Path, corpus: Corpus, tmp_path: Path) -> None:
    run, _ = start(RECIPE, corpus, tmp_path / "run", CPU)
    source = find(str(run.path))
    assert source.recipe == run.recipe_of(type(source.recipe))
    assert source.origin == str(run.path)
    again, _ = start(RECIPE, corpus, tmp_path / "again", CPU, weights_from=run)
    assert all(
        torch.equal(load_gpt(again).model.state_dict()[name], value) for name, value in weights_of(source.model).items()
    )


def test_a_long_context_is_cut_where_nothing_is_learned_for_positions(tmp_path: Path) -> None:
    tokenizer = tokenizers()["bytes"]
    architecture = replace(ours(tokenizer.size, "llama").architecture, context=40_960)
    write(GPT(tokenizer.size, architecture), tokenizer, tmp_path / "long")
    assert find(str(tmp_path / "long")).plan.context == LONGEST
    write(ours(tokenizer.size, "llama"), tokenizer, tmp_path / "short")
    assert find(str(tmp_path / "short")).plan.context == CONTEXT


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    write(ours(20, "gpt2"), None, tmp_path / "model")
    with pytest.raises(DataError, match=r"has no tokenizer"):
        find(str(tmp_path / "model"))


def test_a_name_on_the_hub_is_fetched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    there = shutil.copytree(folder, tmp_path / "snapshots" / ("0a" * 20))

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(there)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    pinned = f"owner/small-model.v1@{'0a' * 20}"  # what is remembered, so that the same is fetched again
    assert find("owner/small-model.v1").origin == pinned
    assert find(pinned).origin == pinned
    assert asked == [("owner/small-model.v1", revision, hub.FILES) for revision in (None, "0a" * 20)]
    assert not any(pattern.endswith((".bin", ".pt", ".pkl")) for pattern in hub.FILES)


def test_without_the_extra_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Error, match=r"'owner/model'.*pip install 'kqv\[hugging-face\]'"):
        find("owner/model")


def test_a_failing_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise ConnectionError("the name is not known\nand many lines more")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    with pytest.raises(Error, match=r"could not be fetched from the Hugging Face hub: the name is not known$"):
        find("owner/model")


@pytest.mark.parametrize("name", ["nothing", "latest", "../x", "a/b/c", ".hidden/x"])
def test_what_is_no_name_of_the_hub_is_looked_for_among_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="there is no run"):
        find(name)


def sentence_pieces() -> Library:
    """Byte pairs as SentencePiece has them: `▁` for a space, and bytes for what is unknown."""
    library = Library(models.BPE(byte_fallback=True, unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    special = ["<unk>", "</s>", *(f"<0x{value:02X}>" for value in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False)
    library.train_from_iterator(["the cat sat on the mat and the dog sat on the cat"], trainer)
    return library


def test_a_vocabulary_of_another_kind_is_used_through_the_library(tmp_path: Path) -> None:
    sentence_pieces().save(str(tmp_path / "tokenizer.json"))
    tokenizer = library_tokenizer.load(tmp_path)
    assert isinstance(tokenizer, LibraryTokenizer)
    text = "the cat sat on ß"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids).decode() == f" {text}"
    assert tokenizer.end_of_text == 1
    assert "BPE" in tokenizer.describe()
    write(ours(tokenizer.size, "llama"), tokenizer, tmp_path / "model")
    _, again = read(tmp_path / "model")
    assert again is not None
    assert again.encode(text).tolist() == ids.tolist()
    with pytest.raises(DataError, match="no run can keep this vocabulary"):
        find(str(tmp_path / "model"))
