"""Attacks in batches are judged as alone; what was once fallen at is survived; the fuzzer says what it lacks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import arena
import fuzz
import pytest
from arena import Attack
from batches import fought_in_batches
from crafted_files import CRAFTED_FILES, crafted_gguf, crafted_idx
from crafted_tokenizers import crafted_tokenizer
from materials import WRITERS

from kqv.data.text.characters import Bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the attacks need Linux")


def _attack(do: Callable[[], object]) -> Attack:
    return Attack("x", "x", lambda folder: (folder / "mine").write_text("precious") and None, lambda: do() and None)


def test_in_a_batch_each_is_judged_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "SECONDS", 1.0)
    attacks = [
        lambda: print("fine"), lambda: 1 / 0, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os.chdir("/"),
        lambda: time.sleep(60), lambda: Path("mine").unlink(), lambda: os.environ.update(HOME="x"), lambda: os._exit(3),
        lambda: print(os.environ["HOME"]),
    ]  # fmt: skip
    found = list(fought_in_batches([_attack(do) for do in attacks]))
    words = [
        "", "traceback: ZeroDivisionError", "it died of SIGKILL", "", "it waits for ever", "lost or changed: ", "",
        "the process ended with 3", "",
    ]  # fmt: skip
    assert [one.fell[: len(word)] for one, word in zip(found, words, strict=True)] == words
    assert [bool(one.fell) for one in found] == [bool(word) for word in words]
    assert found[0].printed == "fine\n"
    assert found[-1].printed.endswith("/home\n")


def test_crafted_idx_files_are_survived(tmp_path: Path) -> None:
    WRITERS["pictures.idx"](tmp_path / "pictures.idx")
    chance = Random(1)
    attacks = [CRAFTED_FILES["idx-crafted"](tmp_path, chance) for _ in range(40)]
    assert [found.fell for found in fought_in_batches(attacks) if found.fell] == []


def test_the_same_chance_crafts_the_same() -> None:
    text, content = Bytes().to_json(), b"GGUF" + bytes(300)
    for craft in (
        lambda chance: crafted_tokenizer(text, chance), lambda chance: crafted_gguf(content, chance), crafted_idx,
    ):  # fmt: skip
        made = [[craft(Random(seed)) for seed in range(20)] for _ in range(2)]
        assert made[0] == made[1]
        assert len(set(map(str, made[0]))) > 10


def test_without_atheris_the_fuzzer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz.importlib.util, "find_spec", lambda _: None)
    assert fuzz.missing() == "Atheris is not here: pip install 'kqv[fuzz]'"


@pytest.mark.skipif(bool(fuzz.missing()), reason=fuzz.missing())
def test_the_fuzzer_tries_so_many_and_sees_what_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["pictures.idx"](tmp_path / "pictures.idx")
    tried, fell, _ = fuzz.fuzz(200, tmp_path, 1, "idx")
    assert (tried, fell) == (200, "")
