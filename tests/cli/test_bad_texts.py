"""What users of a GPT give by mistake: one line that says what it is and what to do, and nothing is lost."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from text_runs import CONTEXT, TEXT, make_run

Kqv = Callable[..., Any]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `one` and `other`, of texts with different characters; to be copied."""
    folder = tmp_path_factory.mktemp("texts")
    make_run(folder / "one")
    make_run(folder / "other", TEXT.replace("schön", "right"))
    return folder


@pytest.fixture
def one(made: Path, here: Path) -> Path:
    """A run of one's own; `other` lies beside it."""
    for name in ("one", "other"):
        shutil.copytree(made / name, name)
        shutil.copy(made / f"{name}.txt", ".")
    return Path("one")


def picture() -> bytes:
    with io.BytesIO() as file:
        Image.new("L", (20, 20)).save(file, "PNG")
        return file.getvalue()


def archive() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as content:
            content.writestr("text.txt", TEXT)
        return file.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "given.txt has no text, it is empty; give a longer text"),
    "picture": (picture(), "given.txt is a picture (PNG), by its first bytes; give a text"),
    "archive": (archive(), "given.txt is a ZIP archive"),
    "all bytes": (bytes(range(256)), "given.txt is not text: byte 0 is zero; give text files in UTF-8"),
    "another encoding": (TEXT.encode("latin-1"), "is 0xf6, which fits no character; save it as UTF-8"),
    "shorter than the context": (b"too short", "the training text has 8 tokens, and the context of"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_text_to_train_on(case: str, kqv: Kqv, here: Path) -> None:
    content, message = FILES[case]
    Path("given.txt").write_bytes(content)
    assert message in kqv("train", "gpt", "--data", "given.txt").problem
    assert Path("given.txt").read_bytes() == content
    assert not Path("runs").exists() or not list(Path("runs").iterdir()), "nothing is left of a run that could not be"


def test_positions_without_texts(kqv: Kqv, one: Path) -> None:
    Path("nothing").mkdir()
    Path("pictures").mkdir()
    Path("pictures", "a.png").write_bytes(picture())
    messages = {
        "nowhere": "no text is called 'nowhere', and no file or folder is there; give python-docs, shakespeare or",
        "nothing": "nothing has no text: expected files .txt, .md, .py and the like, found none; add some",
        "pictures": "pictures has no text: expected files .txt, .md, .py and the like, found 1 of other kinds; add",
        "mnist": "mnist is not text; give python-docs, shakespeare or",
    }
    for position, message in messages.items():
        for words in (["train", "gpt", "--data", position], ["evaluate", one, "--data", position]):
            assert message in kqv(*words).problem


def commands(run: Path) -> dict[str, list[str | Path]]:
    """Every command that takes a run of a text."""
    return {
        "generate": ["generate", run, "--prompt", "1"],
        "evaluate": ["evaluate", run],
        "trace": ["trace", run, "12 mal"],
        "from": ["train", "gpt", "--from", run, "--data", "one.txt", "--out", "next"],
        "resume": ["train", "gpt", "--resume", run, "--steps", "9"],
    }


def replaced(name: str, by: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    """Damage to a file of a run; None removes it."""

    def damage(run: Path) -> None:
        content = by((run / name).read_bytes())
        (run / name).unlink()
        if content is not None:
            (run / name).write_bytes(content)

    return damage


def of_other(name: str) -> Callable[[Path], None]:
    return lambda run: shutil.copy(Path("other", name), run / name) and None


READ = ["generate", "evaluate", "trace", "from"]
WEIGHTS, STATE, VOCABULARY = "model.safetensors", "checkpoint.safetensors", "tokenizer.json"
DAMAGE: dict[str, tuple[Callable[[Path], None], list[str], str]] = {
    "weights cut": (replaced(WEIGHTS, lambda found: found[:2000]), READ, f"one/{WEIGHTS} is damaged"),
    "weights gone": (replaced(WEIGHTS, lambda _: None), READ, f"one/{WEIGHTS} is missing"),
    "weights of another": (of_other(WEIGHTS), READ, "does not belong to this run"),
    "state cut": (replaced(STATE, lambda found: found[:2000]), ["resume", "trace"], f"one/{STATE} is damaged"),
    "state of another": (of_other(STATE), ["resume"], "does not belong to this run"),
    "vocabulary cut": (replaced(VOCABULARY, lambda found: found[:200]), [*READ, "resume"], "tokenizer.json is damaged"),
    "vocabulary gone": (
        replaced(VOCABULARY, lambda _: None), [*READ, "resume"], f"there is no tokenizer one/{VOCABULARY}; restore it",
    ),
    "vocabulary of another": (
        of_other(VOCABULARY), [*READ, "resume"], "is not the vocabulary that one was trained with; restore it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run(case: str, kqv: Kqv, one: Path) -> None:
    damage, names, message = DAMAGE[case]
    damage(one)
    before = {path: path.read_bytes() for path in one.iterdir()}
    for name in names:
        assert message in kqv(*commands(one)[name]).problem, name
    assert {path: path.read_bytes() for path in one.iterdir()} == before
    assert not Path("next").exists()


def test_runs_that_are_others_or_none(kqv: Kqv, one: Path, finished_run: Path) -> None:
    shutil.copytree(finished_run, "digits")
    for name in ("generate", "from"):
        assert "digits is a digits run; this needs one of gpt" in kqv(*commands(Path("digits"))[name]).problem
    resumed = kqv(*commands(Path("digits"))["resume"]).problem
    assert "digits is a digits run; resume it with: kqv train digits --resume digits" in resumed
    assert "one is a gpt run; this needs one of digits" in kqv("classify", one, "a.png").problem
    assert "one is a gpt run; this needs one of digits" in kqv("train", "digits", "--from", one).problem
    Path("folder").mkdir()
    for position, said in (
        ("folder", "folder is a folder without config.json, so it holds no run"),
        ("one.txt", "there is no run 'one.txt'"),
        ("nowhere", "there is no run 'nowhere'"),
    ):
        for words in commands(Path(position)).values():
            assert said in kqv(*words).problem


def test_texts_with_characters_that_the_vocabulary_lacks(kqv: Kqv, one: Path) -> None:
    named = "the vocabulary of 24 characters does not have 'Ж' (U+0416), '€' (U+20AC); leave them out, or train with"
    Path("foreign.txt").write_text("1 Ж 2 €" * 20, encoding="utf-8")
    for words in (
        ["generate", one, "--prompt", "1 Ж€Ж"], ["trace", one, "1 Ж€Ж"], ["evaluate", one, "--data", "foreign.txt"],
        ["train", "gpt", "--from", one, "--data", "foreign.txt"],
    ):  # fmt: skip
        assert named in kqv(*words).problem


def test_texts_that_are_too_short_or_too_long_to_trace(kqv: Kqv, one: Path) -> None:
    expected = f"a traced text has 2 to {CONTEXT + 1} tokens (the context, and one to predict), but this one has"
    assert f"{expected} 1; give a longer text" in kqv("trace", one, "1").problem
    assert f"{expected} 0; give a longer text" in kqv("trace", one, "").problem
    assert f"{expected} 20; leave out at least 3" in kqv("trace", one, "1" * 20).problem


def test_the_best_weights_where_there_are_none(kqv: Kqv, one: Path) -> None:
    (one / "best.safetensors").unlink(missing_ok=True)
    said = kqv("generate", one, "--best", "--prompt", "1").problem
    assert "one has no best.safetensors: its recipe keeps the last weights alone" in said
