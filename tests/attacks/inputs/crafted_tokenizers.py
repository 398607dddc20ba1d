"""Tokenizers that ask the library for what it gives without a question: growth, filling up, panics, tables."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from mutations import of_json

Part = dict[str, Any]

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def _replace(content: str, **pattern: str) -> Part:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> Part:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def _added(number: int, content: str, flags: bool = False) -> Part:
    words = ("single_word", "lstrip", "rstrip", "normalized")
    return {"id": number, "content": content, "special": not flags} | dict.fromkeys(words, flags)


def _template(single: list[Part], **special: Part) -> Part:
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": special}


_SPECIAL, _TEXT = {"SpecialToken": {"id": "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}

NORMALIZERS: tuple[Part, ...] = (
    _replace("aa", String="a"), _replace("x" * 10_000, String=""), _replace("b", Regex="(a+)+$"),
    _replace("", Regex="("),     {"type": "Prepend", "prepend": "x" * 1_000_000}, {"type": "Prepend", "prepend": ""},
    *({"type": "Precompiled", "precompiled_charsmap": text} for text in ("AAAA", "", "/" * 1000, "/////wAAAAA=")),
    *({"type": name} for name in ("NFKD", "StripAccents", "Nmt", "ByteLevel", "x")),
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
     "lowercase": True}, {"type": "Strip", "strip_left": True, "strip_right": True},
)  # fmt: skip
PARTS: dict[str, tuple[Any, ...]] = {
    "pre_tokenizer": (
        _split("(a|a)*b|(?=(a+))"), _split("", "Removed", True), {"type": "Sequence", "pretokenizers": []},
        {"type": "Sequence", "pretokenizers": [BYTE_LEVEL] * 500}, {"type": "UnicodeScripts"}, None,
        {"type": "Metaspace", "replacement": "", "prepend_scheme": "always", "split": True},
        {"type": "Digits", "individual_digits": True}, {"type": "FixedLength", "length": 0},
    ),
    "decoder": (
        None, _replace("x" * 100_000, String=""), {"type": "Sequence", "decoders": [BYTE_LEVEL] * 100},
        {"type": "Strip", "content": "x", "start": 2**63, "stop": 2**63}, {"type": "ByteFallback"},
        {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True},
        {"type": "WordPiece", "prefix": "", "cleanup": True},
    ),
    "post_processor": (
        _template([_SPECIAL] * 100_000 + [_TEXT], x={"id": "x", "ids": [0], "tokens": ["x"]}), _template([]),
        _template([_SPECIAL]), {"type": "BertProcessing", "sep": ["x", 2**32 - 1], "cls": ["y", 2**31]},
        {"type": "RobertaProcessing", "sep": ["x", 0], "cls": ["y", 999_999], "trim_offsets": True,
         "add_prefix_space": True}, {"type": "Sequence", "processors": [BYTE_LEVEL] * 1000},
    ),
    "added_tokens": (
        [_added(number, f"<{number}>", True) for number in range(5000)], [_added(0, "")] * 3, [_added(0, "T")],
        [_added(1, "\x1b[31m")], [{}], [7],
    ),
    "truncation": tuple(
        {"direction": "Right", "max_length": most, "strategy": strategy, "stride": stride}
        for most in (0, 1, 3, 2**63) for strategy in ("LongestFirst", "OnlySecond") for stride in (0, 1, 2**40)
    ),
    "padding": tuple(
        {"strategy": strategy, "direction": "Right", "pad_to_multiple_of": multiple, "pad_id": 2**31, "pad_type_id": 0,
         "pad_token": "[PAD]"}
        for strategy in ({"Fixed": 10**9}, {"Fixed": 20}, "BatchLongest", {"Fixed": -1})
        for multiple in (None, 0, 2**40)
    ),
}  # fmt: skip
MODELS: tuple[Part, ...] = (
    {"merges": [["a", "b"]] * 10_000}, {"merges": [["nowhere", "a"]]}, {"merges": ["a b c"]}, {"merges": ["a"]},
    {"merges": [["a"]]}, {"dropout": 2.0}, {"dropout": -1}, {"dropout": 0.5}, {"unk_token": "nowhere"},
    {"byte_fallback": True}, {"continuing_subword_prefix": "x" * 100_000}, {"end_of_word_suffix": "\ud83d"},
    {"ignore_merges": True, "fuse_unk": True}, {"cache_capacity": 2**40}, {"type": "Unigram"}, {"vocab": {}},
    {"type": "WordPiece", "max_input_chars_per_word": 2**63, "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
    {"vocab": [["a", 0.0], ["b", float("nan")]], "unk_id": 0, "type": "Unigram"}, {"vocab": {"a": 0, "b": 0}},
    {"vocab": {"": 0}}, {"vocab": {"a" * 1_000_000: 0}},
)  # fmt: skip


def crafted_tokenizer(text: str, chance: Random) -> str:
    """A tokenizer.json with one part that asks for too much, or with any field changed."""
    content = json.loads(text)
    kind = chance.choice(("normalizer", "model", "any", *PARTS))
    if kind == "any":
        return of_json(text, chance)[0]
    if kind == "normalizer":
        steps = [chance.choice(NORMALIZERS)] * chance.choice((1, 3, 25, 40))
        content["normalizer"] = {"type": "Sequence", "normalizers": steps}
    elif kind == "model":
        content["model"].update(chance.choice(MODELS))
    else:
        content[kind] = chance.choice(PARTS[kind])
    return json.dumps(content)
