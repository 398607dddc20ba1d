"""A tokenizer as a GGUF file's metadata, written: what `gguf_tokenizer` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.characters import BYTE_SIGNS, Bytes, Characters
from kqv.data.text.codec import Tokenizer
from kqv.errors import Error
from kqv.interchange import gguf_pieces
from kqv.interchange.gguf_tokenizer import CONTROL, GPT2S, NORMAL, PATTERNS, UNUSED, USER_DEFINED, WHOLE_WORDS_FIRST

Metadata = dict[str, Any]

NEVER_IN_TEXT = (0xFF, 0xFE, 0xC0, 0xC1)
"""Bytes that UTF-8 does not have."""

PLAIN = {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}
"""Fields of a model of byte pairs that have to say nothing; llama.cpp does not know them."""


def metadata_of(tokenizer: Tokenizer | None) -> Metadata:
    """The metadata that says what a tokenizer does, or that there is none.

    Raises `Error` that names what llama.cpp's tokenizers do not do.
    """
    if tokenizer is None:
        return {"tokenizer.ggml.model": "none"}
    if isinstance(tokenizer, Characters | Bytes):
        found = _pieces(tokenizer)
    elif isinstance(tokenizer, BytePairs):
        found = _byte_pairs(tokenizer)
    else:
        raise Error(
            f"its tokenizer, {tokenizer.describe()}, is not written to GGUF here; byte-level BPE, characters and bytes"
            " are"
        )
    first = tokenizer.begin_of_text is not None
    found |= {"add_bos_token": first, "add_eos_token": False, "add_space_prefix": False}
    return {f"tokenizer.ggml.{key}": value for key, value in found.items()}


def notes_on(tokenizer: Tokenizer | None) -> list[str]:
    """What somebody who gives text to the file should know."""
    if isinstance(tokenizer, BytePairs) and _content(tokenizer)["normalizer"] is not None:
        return ["the tokenizer joins letters and their accents (NFC), which llama.cpp does not do: give it such text"]
    return []


def spare_tokens(tokenizer: Tokenizer | None) -> int:
    """How many tokens stand in the file behind the tokenizer's own."""
    return len(gguf_pieces.beginnings(tokenizer)) if isinstance(tokenizer, Characters | Bytes) else 0


def _pieces(tokenizer: Characters | Bytes) -> Metadata:
    spare = gguf_pieces.beginnings(tokenizer)
    return {
        "model": gguf_pieces.KIND,
        "tokens": [gguf_pieces.escaped(token) for token in (*tokenizer.tokens, *spare)],
        "token_type": [NORMAL] * tokenizer.size + [UNUSED] * len(spare),
    }


def _byte_pairs(tokenizer: BytePairs) -> Metadata:
    content = _content(tokenizer)
    pattern = _pattern_of(content)
    added = {token["id"]: token for token in content["added_tokens"]}
    vocabulary = {number: token for token, number in content["model"]["vocab"].items()}
    vocabulary |= {number: token["content"] for number, token in added.items()}
    tokens = [vocabulary[number] for number in range(tokenizer.size)]
    end = _end_of(tokenizer, tokens)
    first = end if tokenizer.begin_of_text is None else tokenizer.begin_of_text
    return {
        "model": "gpt2", "pre": pattern, "tokens": tokens,
        "token_type": [_kind(added.get(number)) for number in range(len(tokens))],
        "merges": [" ".join(pair) for pair in tokenizer.merges],
        "bos_token_id": first, "eos_token_id": end,
    }  # fmt: skip


def _content(tokenizer: BytePairs) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(tokenizer.to_json())
    return content


def _kind(added: Mapping[str, Any] | None) -> int:
    if added is None:
        return NORMAL
    return CONTROL if added["special"] else USER_DEFINED


def _end_of(tokenizer: BytePairs, tokens: list[str]) -> int:
    """The token that ends a text. A file has to name one, since llama.cpp takes token 11 otherwise; where a vocabulary
    has none, it is a byte that no text has, so that no text is cut off."""
    if tokenizer.end_of_text is not None:
        return tokenizer.end_of_text
    if tokenizer.endings:
        return min(tokenizer.endings)
    found = next((tokens.index(BYTE_SIGNS[byte]) for byte in NEVER_IN_TEXT if BYTE_SIGNS[byte] in tokens), None)
    if found is None:
        raise Error("its tokenizer has no token that ends a text, which llama.cpp asks for, and no byte in place of it")
    return found


def _pattern_of(content: Mapping[str, Any]) -> str:
    """llama.cpp's name for how words are parted. Raises `Error` for a way that it does not have."""
    model, normalizer = content["model"], content["normalizer"]
    if normalizer is not None and normalizer["type"] != "NFC":
        raise Error(f"its tokenizer changes a text first ({normalizer['type']}), which llama.cpp does not do")
    wrong = next((field for field in sorted(PLAIN) if model.get(field)), None)
    if wrong is not None:
        raise Error(f"its tokenizer has {wrong} {model[wrong]!r}, which llama.cpp does not do")
    if not model["merges"]:
        raise Error("its tokenizer joins no pairs, and llama.cpp asks for some; characters and the 256 bytes need none")
    stripping = next((token["content"] for token in content["added_tokens"] if _strips(token)), None)
    if stripping is not None:
        raise Error(f"its tokenizer's token {stripping!r} looks at what stands beside it, which llama.cpp does not do")
    steps, whole = _steps(content["pre_tokenizer"]), bool(model.get("ignore_merges"))
    for name, known in _known_steps().items():
        if steps == known and whole == (name in WHOLE_WORDS_FIRST):
            return name
    raise Error(
        "its tokenizer parts words in a way that llama.cpp has no name for here; known are those of:"
        f" {', '.join(PATTERNS)}"
    )


def _strips(token: Mapping[str, Any]) -> bool:
    return not token["special"] and any(token[flag] for flag in ("lstrip", "rstrip", "single_word"))


@cache
def _known_steps() -> dict[str, tuple[Any, ...]]:
    return {name: _steps(json.loads(pattern.__getstate__())) for name, pattern in PATTERNS.items()}


def _steps(parting: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """What is done to a text, one step after the other, without what changes no token."""
    if parting is None:
        return ("nothing",)
    if parting["type"] == "Sequence":
        return tuple(step for part in parting["pretokenizers"] for step in _steps(part))
    if parting["type"] == "ByteLevel" and not parting["add_prefix_space"]:
        return (GPT2S,) if parting["use_regex"] else ()
    if parting["type"] == "Split" and parting["behavior"] == "Isolated" and not parting["invert"]:
        return tuple(parting["pattern"].values())
    return (json.dumps(parting, sort_keys=True, allow_nan=False),)
