"""The tokenizer in a GGUF file's metadata: byte pairs and the pattern that parts a text into words, or characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.codec import Tokenizer
from kqv.errors import DataError
from kqv.interchange import gguf_pieces
from kqv.interchange.gguf_file import Metadata

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # kinds of tokens; the others are 2 unknown, 6 byte

_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
_GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _words(*patterns: str) -> Any:
    """What matches the first pattern stands alone; then so within each part for the next one."""
    return pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(it), "isolated") for it in patterns), _BYTES])


def _cased(digits: str) -> Any:
    """The pattern of Llama 3 and Qwen2, which differ in how many digits may stand together."""
    return _words(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
        + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


GPT2S = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""GPT-2's pattern, which `_GPT2` has too."""

PATTERNS: dict[str, Any] = {
    "gpt-2": _GPT2,
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _GPT2]),
    "qwen2": _cased(r"\p{N}"),
    "llama-bpe": _cased(r"\p{N}{1,3}"),
    "default": _words(r"[\p{P}$+<=>^~|]+", GPT2S, r"\p{N}+", r"[0-9][0-9][0-9]"),
}
"""How a text is parted into words, by `tokenizer.ggml.pre`: what llama.cpp does under that name.

For all but "default" it is what the vocabulary was made with.
"""

WHOLE_WORDS_FIRST = {"llama-bpe"}
"""Vocabularies in which a word that is a token stays whole, whatever the merges would make of it."""


def tokenizer_in(metadata: Metadata) -> Tokenizer | None:
    """The tokenizer of a file with this metadata: byte pairs, characters or bytes; None where it has none.

    Tokens that only fill the table up (`[PAD151669]`) are left out at its end. A text is taken as it is: GGUF names no
    normalisation, and llama.cpp does none. Raises `DataError` for a tokenizer of another kind, and a damaged one.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind is None or kind == "none":
        return None
    if kind == gguf_pieces.KIND:
        tokens, kinds = _tokens(metadata)
        while kinds and kinds[-1] == UNUSED:
            tokens, kinds = tokens[:-1], kinds[:-1]
        return gguf_pieces.tokenizer_of(tokens)
    return _byte_pairs(kind, metadata)


def _byte_pairs(kind: Any, metadata: Metadata) -> BytePairs:
    if kind != "gpt2":
        name = {"llama": "SentencePiece", "bert": "WordPiece", "t5": "Unigram"}.get(str(kind), repr(kind))
        raise DataError(
            f"its tokenizer is of the kind {name}, which is not supported; only byte-level BPE (gpt2), characters and"
            " bytes (rwkv) are"
        )
    usual = "gpt-2" if metadata.get("general.architecture") == "gpt2" else None  # its first files do not say it
    pattern = metadata.get("tokenizer.ggml.pre", usual)
    if not isinstance(pattern, str) or pattern not in PATTERNS:
        raise DataError(
            f"tokenizer.ggml.pre is {pattern!r}, a way to part words that is not known here;"
            f" known are: {', '.join(PATTERNS)}"
        )
    tokens, kinds = _tokens(metadata)
    library = Library(_model(tokens, _merges(metadata), pattern in WHOLE_WORDS_FIRST))
    library.pre_tokenizer = PATTERNS[pattern]
    library.decoder = decoders.ByteLevel()
    added = [(token, kind) for token, kind in zip(tokens, kinds, strict=True) if kind in (CONTROL, USER_DEFINED)]
    library.add_tokens([AddedToken(token, special=kind == CONTROL, normalized=False) for token, kind in added])
    ends = {name: _end(metadata, name, tokens) for name in ("bos", "eos")}
    if any(ends.values()):
        library.post_processor = _template(ends, tokens)
    return BytePairs(library.to_str())


def _tokens(metadata: Metadata) -> tuple[list[str], list[int]]:
    """All tokens and their kinds, without the unused ones at the end."""
    tokens = _strings(metadata, "tokenizer.ggml.tokens")
    kinds = metadata.get("tokenizer.ggml.token_type", [1] * len(tokens))
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise DataError("tokenizer.ggml.token_type does not have one number for each token; the file is damaged")
    while tokens and kinds[-1] == UNUSED and tokens[-1] == f"[PAD{len(tokens) - 1}]":
        tokens, kinds = tokens[:-1], kinds[:-1]
    token, count = Counter(tokens).most_common(1)[0] if tokens else ("", 0)
    if count != 1:
        problem = f"the token {token!r} comes {count} times" if count else "it has no token"
        raise DataError(f"the vocabulary is damaged: {problem}; fetch the file again")
    return tokens, kinds


def _merges(metadata: Metadata) -> list[tuple[str, str]]:
    merges = [tuple(merge.split(" ")) for merge in _strings(metadata, "tokenizer.ggml.merges")]
    wrong = next((merge for merge in merges if len(merge) != 2), None)
    if wrong is not None:
        raise DataError(f"the merge {' '.join(wrong)!r} is not a pair of tokens; the file is damaged")
    return merges  # type: ignore[return-value]


def _strings(metadata: Metadata, key: str) -> list[str]:
    found = metadata.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise DataError(f"{key} is missing, or is not a list of strings; fetch the file again")
    return found


def _model(tokens: Sequence[str], merges: list[tuple[str, str]], whole_words_first: bool) -> models.BPE:
    try:
        return models.BPE({token: n for n, token in enumerate(tokens)}, merges, ignore_merges=whole_words_first)
    except Exception as failure:  # the library raises nothing narrower
        raise DataError(f"the vocabulary is damaged: {failure}") from None


def _end(metadata: Metadata, name: str, tokens: Sequence[str]) -> str | None:
    """The token that is put before (bos) or behind (eos) every text; None where none is."""
    if not metadata.get(
        f"tokenizer.ggml.add_{name}_token", name == "bos" and metadata.get("tokenizer.ggml.pre") == "llama-bpe"
    ):
        return None
    number = metadata.get(f"tokenizer.ggml.{name}_token_id")
    if not isinstance(number, int) or not 0 <= number < len(tokens):
        raise DataError(f"tokenizer.ggml.{name}_token_id is {number!r}, which is not in the vocabulary")
    return tokens[number]


def _template(ends: dict[str, str | None], tokens: Sequence[str]) -> Any:
    """What the library puts around a text, where it is asked for special tokens."""
    around = [(token, tokens.index(token)) for token in dict.fromkeys(ends.values()) if token is not None]
    pieces = [ends["bos"], "$A", ends["eos"]]
    return processors.TemplateProcessing(single=[piece for piece in pieces if piece is not None], special_tokens=around)
