"""The tokenizer in a GGUF file: the ids that others give, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf_files import SPECIAL, TEXT, write
from hypothesis import given, settings
from hypothesis import strategies as st

from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.codec import Tokenizer
from kqv.data.text.tokenizers import load
from kqv.errors import DataError
from kqv.interchange.gguf import read
from kqv.interchange.gguf_file import opened
from kqv.interchange.gguf_tokenizer import PATTERNS, tokenizer_in

LIKELY = st.text(st.sampled_from(sorted(set(TEXT)) + list("'sTLl 0123456789\n\r\t\u00a0\u3000\u0301Ⅷ½٣<|>")))
TEXTS = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), LIKELY)


def tokenizer_of(path: Path) -> BytePairs:
    tokenizer = tokenizer_in(opened(path).metadata)
    assert isinstance(tokenizer, BytePairs)
    return tokenizer


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A file with each pattern, by its name."""
    folder = tmp_path_factory.mktemp("patterns")
    return {pattern: write(folder / f"{pattern}.gguf", "llama", pattern=pattern) for pattern in PATTERNS}


@pytest.mark.parametrize("pattern", ["gpt-2", "qwen2", "llama-bpe"])
def test_ids_are_those_of_transformers(pattern: str, written: Any) -> None:
    transformers = pytest.importorskip("transformers")
    ours = tokenizer_of(written[pattern])
    theirs = transformers.AutoTokenizer.from_pretrained(written[pattern].parent, gguf_file=written[pattern].name)

    @settings(max_examples=300, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        assert ours.encode(text).tolist() == theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.decode(ours.encode(text)) == text

    check()
    assert [theirs.convert_ids_to_tokens(token) for token in range(3)] == SPECIAL


def parted(text: str, patterns: list[str]) -> list[str]:
    """What llama.cpp does with a list of patterns: each splits every part, matches and what lies between them."""
    import regex

    parts = [text]
    for pattern in patterns:
        found = []
        for part in parts:
            at = 0
            for match in regex.finditer(pattern, part):
                found += [part[at : match.start()], match.group()]
                at = match.end()
            found.append(part[at:])
        parts = [part for part in found if part]
    return parts


GPT2S = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
IN_LLAMA_CPP = {
    "gpt-2": [GPT2S],
    "smollm": [r"\p{N}", GPT2S],
    "qwen2": [
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "llama-bpe": [
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2S, r"\p{N}+", r"[0-9][0-9][0-9]"],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_words_are_parted_as_llama_cpp_does(pattern: str) -> None:
    pytest.importorskip("regex", reason="a second engine for the patterns")

    @settings(max_examples=300, deadline=None)
    @given(LIKELY)
    def check(text: str) -> None:
        found = PATTERNS[pattern].pre_tokenize_str(text)
        assert [text[start:stop] for _, (start, stop) in found] == parted(text, IN_LLAMA_CPP[pattern])

    check()


def test_digits_of_smollm_stand_alone(written: Any) -> None:
    tokenizer = tokenizer_of(written["smollm"])
    assert [tokenizer.token_text(token) for token in tokenizer.encode("12 2026")] == [*"12", " ", *"2026"]
    together = tokenizer_of(written["gpt-2"])
    assert len(together.encode("2026")) < 4


def test_words_that_are_tokens_stay_whole_where_llama_3_keeps_them_so(tmp_path: Path) -> None:
    """A token that no merge leads to is found, as in Llama 3's own tokenizer."""
    changes = {
        "tokenizer.ggml.tokens": ["a", "b", "c", "abc", "ab"], "tokenizer.ggml.token_type": [1] * 5,
        "tokenizer.ggml.merges": ["a b"], "tokenizer.ggml.bos_token_id": None, "tokenizer.ggml.eos_token_id": None,
        "tokenizer.ggml.add_bos_token": False,
    }  # fmt: skip
    found = {
        pattern: tokenizer_of(write(tmp_path / "model.gguf", "llama", pattern=pattern, changed=changes))
        for pattern in ("llama-bpe", "gpt-2")
    }
    assert found["llama-bpe"].encode("abc").tolist() == [3]
    assert found["gpt-2"].encode("abc").tolist() == [4, 2]


def test_special_tokens_are_not_read_from_a_text_but_those_of_users_are(tmp_path: Path) -> None:
    plain = tokenizer_of(write(tmp_path / "plain.gguf", "llama"))
    kinds = [3 if token in SPECIAL else 4 if token == b"ber" else 1 for token in plain.tokens]
    kinds[:3] = [3, 4, 3]
    marked = tokenizer_of(write(tmp_path / "marked.gguf", "llama", changed={"tokenizer.ggml.token_type": kinds}))
    text = "a<|im_start|>b<|im_end|>"
    assert not {0, 1, 2} & set(plain.encode(text).tolist())
    ids = marked.encode(text).tolist()
    assert 1 in ids
    assert 2 not in ids
    assert marked.decode(ids) == text


def test_what_ends_and_begins_a_text(tmp_path: Path) -> None:
    usual = tokenizer_of(write(tmp_path / "usual.gguf", "llama"))
    assert (usual.end_of_text, usual.endings, usual.begin_of_text) == (0, {0, 2}, None)
    assert usual.encode_prompt("ab").tolist() == usual.encode("ab").tolist()
    changes = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": True}
    both = tokenizer_of(write(tmp_path / "both.gguf", "llama", changed=changes))
    assert both.begin_of_text == 1
    assert both.encode_prompt("ab").tolist() == [1, *both.encode("ab").tolist()]
    assert both.encode_prompt("").tolist() == [1]
    assert both._library.encode("ab").ids == [1, *both.encode("ab").tolist(), 2]
    only_end = {"tokenizer.ggml.add_eos_token": True}
    assert tokenizer_of(write(tmp_path / "end.gguf", "llama", changed=only_end)).begin_of_text is None


@pytest.mark.parametrize(("stated", "expected"), [(None, 1), (False, None), (True, 1)])
def test_llama_3_begins_texts_unless_the_file_says_otherwise(
    stated: bool | None, expected: int | None, tmp_path: Path
) -> None:
    changes = {"tokenizer.ggml.add_bos_token": stated}
    tokenizer = tokenizer_of(write(tmp_path / "m.gguf", "llama", pattern="llama-bpe", changed=changes))
    assert tokenizer.begin_of_text == expected


def test_the_tokenizer_is_kept_by_its_file(written: Any, tmp_path: Path) -> None:
    for path in written.values():
        tokenizer: Tokenizer = tokenizer_of(path)
        tokenizer.save(tmp_path)
        again = load(tmp_path)
        assert again.sha256 == tokenizer.sha256
        assert again.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
        assert (again.endings, again.begin_of_text) == (tokenizer.endings, tokenizer.begin_of_text)
    different = {tokenizer_of(path).sha256 for path in written.values()}
    assert len(different) == len(written), "another way to part words is another vocabulary"


def test_tokens_that_fill_the_table_up_are_left_out(tmp_path: Path) -> None:
    whole = tokenizer_of(write(tmp_path / "whole.gguf", "llama"))
    tokens = opened(tmp_path / "whole.gguf").metadata["tokenizer.ggml.tokens"]
    size = len(tokens)
    tokens = [*tokens[:-2], f"[PAD{size - 2}]", f"[PAD{size - 1}]"]
    merges = [merge for merge in opened(tmp_path / "whole.gguf").metadata["tokenizer.ggml.merges"] if
              merge.replace(" ", "") in tokens]  # fmt: skip
    changes = {
        "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [3, 3, 3] + [1] * (size - 5) + [5, 5],
        "tokenizer.ggml.merges": merges,
    }  # fmt: skip
    model, tokenizer = read(write(tmp_path / "padded.gguf", "llama", changed=changes))
    assert tokenizer is not None
    assert tokenizer.size == model.vocab == size - 2 == whole.size - 2
    assert model.tokens.weight.shape[0] == size - 2


def test_a_file_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    changes = {"tokenizer.ggml.model": None}
    assert read(write(tmp_path / "model.gguf", "gpt2", changed=changes))[1] is None


def test_gpt2_files_that_name_no_pattern_have_gpt2s(tmp_path: Path) -> None:
    named, unnamed = (
        tokenizer_of(write(tmp_path / f"{pattern}.gguf", "gpt2", pattern=pattern)) for pattern in ("gpt-2", None)
    )
    assert named.sha256 == unnamed.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.model": "llama"}, "of the kind SentencePiece, which is not supported; only byte-level BPE"),
        ({"tokenizer.ggml.model": "bert"}, "of the kind WordPiece"),
        ({"tokenizer.ggml.model": "rwkv"}, "its tokenizer is RWKV's"),
        ({"tokenizer.ggml.model": "plamo2"}, "of the kind 'plamo2'"),
        ({"tokenizer.ggml.pre": "tekken"}, "'tekken'.* known are: gpt-2, smollm, qwen2, llama-bpe"),
        ({"tokenizer.ggml.pre": None}, "tokenizer.ggml.pre is None"),
        ({"tokenizer.ggml.pre": ["gpt-2"]}, r"tokenizer.ggml.pre is \['gpt-2'\]"),
        ({"tokenizer.ggml.tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "tokenizer.ggml.tokens is missing, or is not a list of strings"),
        ({"tokenizer.ggml.merges": None}, "tokenizer.ggml.merges is missing"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "the merge 'a b c' is not a pair"),
        ({"tokenizer.ggml.merges": ["zz zz"]}, "the vocabulary is damaged"),
        ({"tokenizer.ggml.token_type": [1, 1]}, "does not have one number for each token"),
        ({"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 99_999}, "bos_token_id is 99999"),
        ({"tokenizer.ggml.add_eos_token": True, "tokenizer.ggml.eos_token_id": None}, "eos_token_id is None"),
    ],
)
def test_what_is_not_known_or_damaged_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", "llama", changed=changes)
    with pytest.raises(DataError, match=message) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_that_comes_twice_is_refused(tmp_path: Path) -> None:
    tokens = opened(write(tmp_path / "whole.gguf", "llama")).metadata["tokenizer.ggml.tokens"]
    changes = {"tokenizer.ggml.tokens": [*tokens[:-1], tokens[5]]}
    with pytest.raises(DataError, match="comes 2 times"):
        read(write(tmp_path / "model.gguf", "llama", changed=changes))
