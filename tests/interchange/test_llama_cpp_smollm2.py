"""The real model in llama.cpp: SmolLM2, read as a GGUF file and written as one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (.ci/run builds it)")

from llama_engine import Engine, Trained

from kqv.data.sources import SOURCES, find
from kqv.interchange.gguf import read, write

TEXT = "Zwölf Boxkämpfer jagen Viktor. def mean(values):\n    return sum(values) / len(values)  # 1984 数学 🦊\n\n »Ja«"
POOLS = [
    "abcdefgh XYZ'st re ve ll 'd\n\t\r", "0123456789 .,", "äöüßéñ 数学你好 かな", "🦊👩‍👧 \u3000\u00a0\u2028",
    "\u0301\u200b٣४Ⅷ½\0",
]  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    source = SOURCES["smollm2"]
    found = find(source, source.files[0])
    if found is None:
        pytest.skip("SmolLM2 is not here: kqv data fetch smollm2, or set KQV_DATA to a folder that has it")
    model, tokenizer = read(found)
    assert tokenizer is not None
    file = tmp_path_factory.mktemp("smollm2") / "model.gguf"
    assert write(model, tokenizer, file) == []
    return Trained(model, tokenizer, file)


@pytest.fixture(scope="module")
def engine(real: Trained) -> Iterator[Engine]:
    found = Engine(real.file)
    yield found
    found.llama.close()
    real.file.unlink()


def test_ids_of_random_strings_are_the_same(real: Trained, engine: Engine) -> None:
    choose = random.Random(1)
    for _ in range(10_000):
        text = "".join(choose.choice(choose.choice(POOLS)) for _ in range(choose.randrange(30)))
        assert engine.encode(text) == real.tokenizer.encode(text).tolist()


def test_logits_are_the_same(real: Trained, engine: Engine) -> None:
    ids = real.tokenizer.encode(TEXT).tolist()
    expected = real.logits(ids)
    assert float(expected.std()) > 1
    assert float(np.abs(engine.logits(ids) - expected).max()) <= 1e-3


def test_greedy_text_is_the_same(real: Trained, engine: Engine) -> None:
    start = real.tokenizer.encode("A neural network is").tolist()
    found = engine.greedy(start, 200)
    assert found == real.logits(start + found)[len(start) - 1 : -1].argmax(-1).tolist()
    assert len(set(found)) > 40


def test_in_eight_bits_it_loses_next_to_nothing(real: Trained, engine: Engine) -> None:
    ids = real.tokenizer.encode(TEXT).tolist()
    smaller = Engine(real.written("q8_0"))
    assert smaller.loss(ids) == pytest.approx(engine.loss(ids), abs=0.05)
    smaller.llama.close()
    assert real.written("q8_0").stat().st_size < 0.28 * Path(real.file).stat().st_size
    real.written("q8_0").unlink()
