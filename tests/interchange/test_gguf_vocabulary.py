"""Tokenizers as metadata of a GGUF file: which are written as what, and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import tokenizers
from tokenizers import Tokenizer as Library
from tokenizers import models, normalizers, pre_tokenizers

from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.characters import Bytes, Characters
from kqv.errors import DataError, Error
from kqv.interchange.gguf_pieces import escaped, tokenizer_of, unescaped
from kqv.interchange.gguf_tokenizer import PATTERNS, tokenizer_in
from kqv.interchange.gguf_vocabulary import metadata_of, notes_on, spare_tokens
from kqv.interchange.library_tokenizer import LibraryTokenizer

HOSTILE = "\t\n\r\\\0\x1b\x7f\x80\u200b\u2028'\"x0fntr 0<|endoftext|>é€🦊\u0301"


@given(st.binary(min_size=1, max_size=6))
def test_any_token_comes_back(token: bytes) -> None:
    assert unescaped(escaped(token)) == token
    assert escaped(token).isprintable(), "a name that a terminal shows as it is, and C reads to its end"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_characters_come_back(text: str) -> None:
    tokenizer = Characters(sorted(set(text + HOSTILE)))
    found = tokenizer_in(metadata_of(tokenizer))
    assert isinstance(found, Characters)
    assert found.characters == tokenizer.characters
    written = metadata_of(tokenizer)["tokenizer.ggml.tokens"]
    assert len(set(written)) == len(written) >= tokenizer.size, "llama.cpp stops where two tokens look alike"


def test_bytes_come_back() -> None:
    assert isinstance(tokenizer_in(metadata_of(Bytes())), Bytes)
    assert metadata_of(Bytes())["tokenizer.ggml.tokens"][0xFF] == r"\xff"
    assert metadata_of(Bytes())["tokenizer.ggml.tokens"][ord("A")] == "A"


@pytest.mark.parametrize("tokens", [["ab", "c"], [r"\xff", "a"], []])
def test_longer_tokens_are_refused(tokens: list[str]) -> None:
    with pytest.raises(DataError, match="only single characters and the 256 bytes"):
        tokenizer_of(tokens)


def with_parts(**changes: Any) -> BytePairs:
    """Byte pairs with other parts in their file."""
    content = json.loads(tokenizers()["byte pairs with an end of text"].to_json())
    for name, value in changes.items():
        content[name] = content[name] | value if isinstance(content[name], dict) and name == "model" else value
    return BytePairs(json.dumps(content))


def in_json(step: Any) -> Any:
    library = Library(models.BPE())
    if isinstance(step, normalizers.Normalizer):
        library.normalizer = step
        return json.loads(library.to_str())["normalizer"]
    library.pre_tokenizer = step
    return json.loads(library.to_str())["pre_tokenizer"]


@pytest.mark.parametrize("name", PATTERNS)
def test_words_are_parted_as_before(name: str) -> None:
    tokenizer = with_parts(pre_tokenizer=in_json(PATTERNS[name]), model={"ignore_merges": name == "llama-bpe"})
    said = metadata_of(tokenizer)
    assert said["tokenizer.ggml.pre"] == name
    found = tokenizer_in(said)
    assert isinstance(found, BytePairs)
    assert found.sha256 == tokenizer.sha256
    assert (found.end_of_text, found.endings) == (tokenizer.end_of_text, tokenizer.endings)

    @settings(max_examples=50, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def check(text: str) -> None:
        assert found.encode(text).tolist() == tokenizer.encode(text).tolist()

    check()


def test_what_changes_no_token_is_the_same_way_to_part_words() -> None:
    """Qwen's own tokenizer.json says `trim_offsets`, and has GPT-2's pattern for a step of its own elsewhere."""
    steps = in_json(PATTERNS["qwen2"])
    steps["pretokenizers"][1]["trim_offsets"] = False
    assert metadata_of(with_parts(pre_tokenizer=steps))["tokenizer.ggml.pre"] == "qwen2"


def test_the_end_of_text_is_the_files() -> None:
    said = metadata_of(with_parts())
    tokens = said["tokenizer.ggml.tokens"]
    assert tokens[said["tokenizer.ggml.eos_token_id"]] == tokens[said["tokenizer.ggml.bos_token_id"]] == "<|endoftext|>"
    assert said["tokenizer.ggml.token_type"][tokens.index("<|endoftext|>")] == 3
    assert not said["tokenizer.ggml.add_bos_token"]


def test_without_an_end_of_text_it_is_a_byte_that_no_text_has() -> None:
    tokenizer = tokenizers()["byte pairs"]
    said = metadata_of(tokenizer)
    assert tokenizer.tokens[said["tokenizer.ggml.eos_token_id"]] == b"\xff"
    assert said["tokenizer.ggml.eos_token_id"] == said["tokenizer.ggml.bos_token_id"]
    assert said["tokenizer.ggml.token_type"][said["tokenizer.ggml.eos_token_id"]] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pre_tokenizer": in_json(pre_tokenizers.ByteLevel(add_prefix_space=True))}, "parts words in a way that"),
        ({"pre_tokenizer": in_json(pre_tokenizers.Whitespace())}, "known are those of: gpt-2, smollm, qwen2"),
        ({"pre_tokenizer": None}, "parts words in a way"),
        ({"model": {"ignore_merges": True}}, "parts words in a way"),
        ({"model": {"merges": []}}, "joins no pairs, and llama.cpp asks for some"),
        ({"model": {"dropout": 0.1}}, "has dropout 0.1"),
        ({"normalizer": in_json(normalizers.Lowercase())}, r"changes a text first \(Lowercase\)"),
    ],
)
def test_what_llama_cpp_does_not_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Error, match=message) as refused:
        metadata_of(with_parts(**changes))
    assert "\n" not in str(refused.value)


def test_a_token_that_takes_spaces_with_it_is_refused() -> None:
    added = {
        "id": 301, "content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False,
        "special": False,
    }  # fmt: skip
    content = json.loads(tokenizers()["byte pairs with an end of text"].to_json())
    added["id"] = len(content["model"]["vocab"]) + 1
    with pytest.raises(Error, match="'<mask>' looks at what stands beside it"):
        metadata_of(with_parts(added_tokens=[*content["added_tokens"], added]))


def test_other_peoples_vocabularies_are_refused() -> None:
    library = Library(models.Unigram([("a", -1.0), ("b", -2.0)]))
    with pytest.raises(Error, match="2 tokens of a Unigram vocabulary, is not written to GGUF here; byte-level BPE"):
        metadata_of(LibraryTokenizer(library.to_str()))


def test_what_has_to_be_known_is_said() -> None:
    assert notes_on(Characters("abc\n")) == notes_on(Bytes()) == notes_on(tokenizers()["byte pairs"]) == []
    (note,) = notes_on(with_parts(normalizer=in_json(normalizers.NFC())))
    assert "NFC" in note


def test_beginnings_of_characters_are_spare_tokens() -> None:
    said = metadata_of(Characters("aä€🦊é"))
    assert said["tokenizer.ggml.tokens"] == [
        "a", "ä", "€", "🦊", "é", r"\xc3", r"\xe2", r"\xe2\x82", r"\xf0", r"\xf0\x9f", r"\xf0\x9f\xa6"
    ]  # fmt: skip
    assert said["tokenizer.ggml.token_type"] == [1] * 5 + [5] * 6
    assert spare_tokens(Characters("aä€🦊é")) == 6
    assert spare_tokens(Characters("abc\n")) == spare_tokens(Bytes()) == spare_tokens(tokenizers()["byte pairs"]) == 0
