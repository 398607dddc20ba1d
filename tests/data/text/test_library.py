"""Tokenizers of somebody else: what the library panics at, or would take gigabytes for, is an error in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.data.text import tokenizers
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.data.text.library import answering
from kqv.data.text.quiet import without_panics
from kqv.errors import DataError
from kqv.interchange import library_tokenizer
from kqv.interchange.bert import read_tokenizer

TEXT = "a" * 40 + "!"
Content = dict[str, Any]


@pytest.fixture(scope="module")
def content() -> str:
    """A healthy tokenizer's JSON."""
    return train_byte_pairs(["ab ab ab"], 257).to_json()


def _split(pattern: str) -> Content:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    plain = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, plain]}}


def _around(number: int) -> Content:
    first = {"SpecialToken": {"id": "x", "type_id": 0}}
    text, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    special = {"x": {"id": "x", "ids": [number], "tokens": ["x"]}}
    form = {"type": "TemplateProcessing", "single": [first, text], "pair": [text, second], "special_tokens": special}
    return {"post_processor": form}


@pytest.mark.parametrize("change", [_split("(a+)+$"), {"normalizer": {"type": "Prepend", "prepend": ""}}])
def test_what_the_library_panics_at_is_an_error(content: str, change: Content) -> None:
    tokenizer = BytePairs(json.dumps(json.loads(content) | change))
    with pytest.raises(DataError, match="the tokenizer does not take this text: "):
        tokenizer.encode(TEXT)


def test_a_normalizer_that_is_none_is_an_error(content: str) -> None:
    change = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="}}
    with pytest.raises(DataError, match="is not a tokenizer that `tokenizers` can read"):
        BytePairs(json.dumps(json.loads(content) | change))


@pytest.mark.parametrize("number", [2**31 - 1, -1, 1.5, 10**400])
@pytest.mark.parametrize("where", ["vocabulary", "added"])
def test_an_id_is_looked_at_before_the_library_does(content: str, number: Any, where: str) -> None:
    parts = json.loads(content)
    if where == "vocabulary":
        parts["model"]["vocab"]["new"] = number
    else:
        parts["added_tokens"].append({"id": number, "content": "new"})
    with pytest.raises(DataError, match="ids count the tokens from 0"):
        BytePairs(json.dumps(parts))


def test_an_id_around_a_text_has_to_be_one_of_the_vocabulary(content: str) -> None:
    tokenizer = BytePairs(json.dumps(json.loads(content) | _around(99_999)))
    with pytest.raises(DataError, match="puts the id 99999 around a text, but its 257 tokens end at 256"):
        tokenizer.encode_prompt("a")
    assert BytePairs(json.dumps(json.loads(content) | _around(7))).encode_prompt("a")[0] == 7


def _interrupt() -> None:
    raise KeyboardInterrupt


def _leave() -> None:
    raise SystemExit


@pytest.mark.parametrize(("raised", "kind"), [(_interrupt, KeyboardInterrupt), (_leave, SystemExit)])
def test_what_is_no_panic_goes_through(raised: Callable[[], None], kind: type[BaseException]) -> None:
    with pytest.raises(kind), answering("it is wrong"):
        raised()


def test_a_tokenizer_that_is_nested_without_end_is_an_error(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"model": ' + "[" * 100_000):
        (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
        for read in (tokenizers.load, library_tokenizer.load, read_tokenizer):
            with pytest.raises(DataError, match=r"tokenizer.json"):
                read(tmp_path)


def test_a_panic_is_told_once(content: str, capfd: pytest.CaptureFixture[str]) -> None:
    change = {"normalizer": {"type": "Prepend", "prepend": ""}}
    tokenizer = BytePairs(json.dumps(json.loads(content) | change))
    with pytest.raises(DataError):
        tokenizer.encode(TEXT)
    assert capfd.readouterr() == ("", "")


def test_what_else_is_written_meanwhile_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    told = b"\nthread '<unnamed>' (7) panicked at src/a.rs:1:2:\nit is\nwrong\nnote: run with RUST_BACKTRACE=1\n"
    panic = b"before\n" + told + b"after\n"
    with without_panics(), without_panics():
        os.write(2, panic)
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "before\nafter\nlater\n"


@pytest.mark.parametrize("change", [
    {"normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40}},
    {"normalizer": {"type": "Prepend", "prepend": "x" * 1_000_000}},
    {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": False,
                                                              "trim_offsets": True, "use_regex": True}] * 30}},
])  # fmt: skip
def test_steps_that_make_gigabytes_are_refused(content: str, change: Content) -> None:
    with pytest.raises(DataError, match="makes more than 100,000 characters of one"):
        BytePairs(json.dumps(json.loads(content) | change))


def test_a_file_puts_few_tokens_around_a_text(content: str) -> None:
    form = _around(7)["post_processor"]
    single = [form["single"][0]] * 100_000 + [form["single"][1]]
    many = {"type": "Sequence", "processors": [form | {"single": single}]}
    with pytest.raises(DataError, match="it puts more than 1,000 tokens around a text"):
        BytePairs(json.dumps(json.loads(content) | {"post_processor": many}))


def test_a_file_neither_fills_texts_up_nor_cuts_them(content: str) -> None:
    padding = {
        "strategy": {"Fixed": 5_000}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "x",
    }  # fmt: skip
    truncation = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    changed = json.dumps(json.loads(content) | {"padding": padding, "truncation": truncation})
    wanted = BytePairs(content).encode(TEXT).tolist()
    assert BytePairs(changed).encode(TEXT).tolist() == wanted
    assert library_tokenizer.LibraryTokenizer(changed).encode(TEXT).tolist() == wanted
