"""Tokenizers of somebody else: what the library panics at, or would take gigabytes for, is an error in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.data.text import tokenizers
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.data.text.library import answering
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
