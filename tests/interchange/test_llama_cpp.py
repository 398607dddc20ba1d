"""Our files in llama.cpp itself: the same ids, logits and texts, and quantised files as good as its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from small_models import ours

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (.ci/run builds it)")

from llama_engine import CONTEXT, KINDS, TEXT, Engine, Trained, quantised_by_llama_cpp, trained
from torch import Tensor

from kqv.data.text.characters import Bytes, Characters
from kqv.interchange.gguf import TYPES, read, write
from kqv.models.feed_forward import FeedForward
from kqv.operations import gelu_tanh

STRINGS = 10_000
LIKELY = [*sorted(set(TEXT)), *"'sTLl 0123456789\n\r\t\0\u00a0\u3000\u0301Ⅷ½٣<|>\\x", "<|endoftext|>", "'ll", "  "]
QUANTISED = [kind for kind in TYPES if kind.startswith("q")]


@pytest.fixture(scope="module", params=KINDS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(request.param, tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def engine(one: Trained) -> Iterator[Engine]:
    found = Engine(one.file)
    yield found
    found.llama.close()


def random_strings(one: Trained) -> Iterator[str]:
    """Strings of any characters and of likely ones; of its own alone where a vocabulary has no others."""
    choose = random.Random(1)
    any_character = one.tokenizer.kind != "characters"
    likely = LIKELY if any_character else sorted(set(TEXT))
    for _ in range(STRINGS):
        drawn = [choose.choice(likely) for _ in range(choose.randrange(1, 24))]
        if any_character:
            for _ in range(choose.choice((0, 0, 4))):
                point = choose.randrange(0x30000 if choose.random() < 0.5 else 0x3000)
                drawn.insert(choose.randrange(len(drawn) + 1), "" if 0xD800 <= point < 0xE000 else chr(point))
        yield "".join(drawn)


def test_ids_of_random_strings_are_the_same(one: Trained, engine: Engine) -> None:
    wrong = [text for text in random_strings(one) if engine.encode(text) != one.tokenizer.encode(text).tolist()]
    assert not wrong, f"{len(wrong)} of {STRINGS}, such as {wrong[:3]}"


def test_tokens_are_the_same_bytes(one: Trained, engine: Engine) -> None:
    own = set(range(one.tokenizer.size)) - one.tokenizer.endings
    for token in sorted(own):
        assert engine.llama.detokenize([token]) == one.tokenizer.tokens[token]


def in_half_precision(x: Tensor) -> Tensor:
    """GELU as llama.cpp has it on a processor: looked up in a table of float16 between -10 and 10."""
    table = gelu_tanh(x.half().float()).half().float()
    return torch.where(x >= 10, x, torch.where(x <= -10, torch.zeros_like(x), table))


def test_logits_are_the_same(one: Trained, engine: Engine) -> None:
    ids = one.tokenizer.encode(TEXT).tolist()[:200]
    found, expected = engine.logits(ids)[:, : one.model.vocab], one.logits(ids)
    assert float(expected.std()) > 1
    parts = [part for part in one.model.modules() if isinstance(part, FeedForward)]
    if parts:  # GPT-2's
        assert float(np.abs(found - expected).max()) <= 2e-2
        before = parts[0].bend
        for part in parts:
            part.bend = in_half_precision
        expected = one.logits(ids)
        for part in parts:
            part.bend = before
    assert float(np.abs(found - expected).max()) <= 1e-3


def test_greedy_text_is_the_same(one: Trained, engine: Engine) -> None:
    start = one.tokenizer.encode("»Füchse«, sagte").tolist()
    tokens = min(200, CONTEXT - len(start))
    assert tokens == 200
    found = engine.greedy(start, tokens)
    assert found == one.logits(start + found)[len(start) - 1 : -1].argmax(-1).tolist()
    assert len(set(found)) > 10, "always the same would tell nothing"


def test_texts_are_completed_and_no_token_ends_them_by_mistake(one: Trained, engine: Engine) -> None:
    engine.llama.reset()
    answer = engine.llama("»Füchse«, sagte", max_tokens=60, temperature=0.0)["choices"][0]
    start = one.tokenizer.encode("»Füchse«, sagte").tolist()
    assert answer["finish_reason"] == "length"
    assert answer["text"].rstrip("\ufffd") == one.tokenizer.decode(engine.greedy(start, 60)).rstrip("\ufffd")


def assert_same_tensors(ours: Path, theirs: Path) -> None:
    found, expected = ({tensor.name: tensor for tensor in GGUFReader(path).tensors} for path in (ours, theirs))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].tensor_type == tensor.tensor_type, name
        assert np.array_equal(found[name].data, tensor.data), name


@pytest.mark.parametrize("kind", QUANTISED)
def test_quantised_it_is_what_llama_cpps_own_quantiser_makes(one: Trained, kind: str) -> None:
    assert_same_tensors(one.written(kind), quantised_by_llama_cpp(one.file, kind))


@pytest.mark.parametrize("kind", QUANTISED)
def test_rows_that_are_no_whole_blocks_stay_as_there(kind: str, tmp_path: Path) -> None:
    model, tokenizer = ours(256, "llama, grouped and tied"), Bytes()  # 24 wide, and 40 inside
    for number_type in ("f32", kind):
        write(model, tokenizer, tmp_path / f"{number_type}.gguf", number_type)
    assert_same_tensors(tmp_path / f"{kind}.gguf", quantised_by_llama_cpp(tmp_path / "f32.gguf", kind))


@pytest.mark.parametrize(("kind", "lost"), {"f16": 1e-3, "bf16": 5e-3, "q8_0": 5e-3, "q4_0": 0.1}.items())
def test_smaller_files_lose_little_there_and_here(one: Trained, engine: Engine, kind: str, lost: float) -> None:
    ids = one.tokenizer.encode(TEXT).tolist()[:CONTEXT]
    smaller = Engine(one.written(kind))
    loss = smaller.loss(ids)
    smaller.llama.close()
    assert loss == pytest.approx(engine.loss(ids), abs=lost)
    model, _ = read(one.written(kind))
    with torch.no_grad():
        here = model.loss(model(torch.tensor([ids[:-1]])), torch.tensor([ids[1:]]))
    assert float(here) == pytest.approx(loss, abs=0.02), "llama.cpp rounds what it multiplies too"


@pytest.mark.parametrize("text", ["é", "Bäé", "€", "Q", "»ÿ"])
def test_an_unknown_character_is_refused_and_llama_cpp_comes_to_an_end(text: str, tmp_path: Path) -> None:
    """Without the spare tokens it would go round in a circle at the first one."""
    tokenizer = Characters(sorted(set(TEXT)))
    write(ours(tokenizer.size, "llama"), tokenizer, tmp_path / "model.gguf")
    engine = Engine(tmp_path / "model.gguf", 32)
    ids = engine.encode(text)
    assert -1 in ids
    with pytest.raises(RuntimeError, match="llama_decode returned -1"):
        engine.logits(ids)
    engine.llama.close()
