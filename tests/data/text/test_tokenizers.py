"""Tokenizers: round trips, unknown characters, one file for all kinds, GPT-2's pairs against a plain twin."""

from __future__ import annotations

import json
import time
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from kqv.data.sources import SOURCES, find, read
from kqv.data.text import byte_pairs
from kqv.data.text.byte_pairs import BytePairs, gpt2, train_byte_pairs
from kqv.data.text.characters import BYTE_SIGNS, Bytes, Characters
from kqv.data.text.corpora import Corpus
from kqv.data.text.pieces import scan
from kqv.data.text.streams import Stream, TextInMemory
from kqv.data.text.tokenizers import Tokenizer, choose_tokenizer, load, make_tokenizer
from kqv.errors import DataError, Error

LEARNED = "the cat sat on the mat; that cat's hat.\n\n  Größe 12 μm – 😀\r\n" * 20
TRAINED = train_byte_pairs([LEARNED], 290)
# any text: emoji, combining marks and control characters come among them; lone surrogates are no text
anything = st.text(st.characters(exclude_categories=["Cs"]))
likely = st.text(st.sampled_from("the cat'sé\u0301 \n\r\t\u3000\x1c😀1!"), max_size=60)


def corpus_of(text: str, size: int = 1_000_000) -> Corpus:
    stream = Stream([TextInMemory("text", text.encode())])
    return Corpus("text", stream, scan(stream, size))


def known_to(tokenizer: Tokenizer) -> str:
    return LEARNED[:200] if isinstance(tokenizer, Characters) else LEARNED + "\u0000 new: 漢字 e\u0301"


EACH = pytest.mark.parametrize(
    "tokenizer", [Characters(sorted(set(LEARNED))), Bytes(), TRAINED], ids=lambda tokenizer: tokenizer.kind
)


@pytest.fixture(scope="module")
def gpt2_tokenizer() -> BytePairs:
    if not all(find(SOURCES["gpt2"], file) for file in SOURCES["gpt2"].files):
        pytest.skip("GPT-2's vocabulary is not here: set KQV_DATA to a folder that has it")
    return gpt2()


@given(text=st.one_of(anything, likely))
@pytest.mark.parametrize("tokenizer", [Bytes(), TRAINED], ids=lambda tokenizer: tokenizer.kind)
def test_every_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.dtype == np.uint16
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert b"".join(tokenizer.decode_bytes([token]) for token in ids) == text.encode()


@given(text=st.one_of(anything, likely).filter(bool))
def test_characters_come_back(text: str) -> None:
    alphabet = sorted(set(text))
    tokenizer = Characters(alphabet)
    ids = tokenizer.encode(text)
    assert ids.tolist() == [alphabet.index(character) for character in text]
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert [tokenizer.token_text(token) for token in ids[:5]] == list(text[:5])


@given(
    text=st.text(st.sampled_from("ab' \n\r\t\u00a0\u3000\x1cé😀1!.sth"), min_size=2, max_size=80),
    size=st.integers(4, 30),
)
def test_pieces_give_the_tokens_of_the_whole(text: str, size: int) -> None:
    """Where a piece could be cut between a character that is no whitespace and whitespace."""
    pieces = list(corpus_of(text, size).pieces("train"))
    exact = all(
        not before[-1].isspace() and after[0].isspace() and after[0] != "\x1c" and before[-1] != "\x1c"
        for before, after in pairwise(pieces)
    )
    joined = [token for piece in pieces for token in TRAINED.encode(piece).tolist()]
    whole = TRAINED.encode("".join(pieces)).tolist()
    assert TRAINED.decode(joined) == TRAINED.decode(whole)
    if exact:
        assert joined == whole


@EACH
def test_the_file_gives_the_same_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = load(tmp_path)
    text = known_to(tokenizer)
    assert type(loaded) is type(tokenizer)
    assert (loaded.kind, loaded.sha256, loaded.tokens) == (tokenizer.kind, tokenizer.sha256, tokenizer.tokens)
    assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


@EACH
def test_the_library_reads_the_file_alike(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    library = LibraryTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = known_to(tokenizer)
    assert library.encode(text).ids == tokenizer.encode(text).tolist()
    assert library.decode(tokenizer.encode(text).tolist()) == text
    assert library.get_vocab_size() == tokenizer.size


@EACH
def test_half_a_character_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"character 2 of the text is U\+D83D"):
        tokenizer.encode("th\ud83d")


@EACH
@pytest.mark.parametrize("wrong", [-1, 100_000])
def test_ids_of_another_vocabulary_are_refused(tokenizer: Tokenizer, wrong: int) -> None:
    for decode in (tokenizer.decode, tokenizer.decode_bytes):
        with pytest.raises(DataError, match=f"no token {wrong}"):
            decode([0, wrong])
    with pytest.raises(DataError, match="whole numbers"):
        tokenizer.decode(np.array([0.5]))


@EACH
def test_nothing_is_a_text_too(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.decode([]) == ""


def test_unknown_characters_are_named() -> None:
    with pytest.raises(DataError, match=r"does not have 'd' \(U\+0064\), '☃' \(U\+2603\); .*--tokenizer bytes"):
        Characters("abc").encode("ad☃d")
    with pytest.raises(DataError, match=r"'4' \(U\+0034\) and 5 more"):
        Characters("abc").encode("0123456789")
    with pytest.raises(DataError, match=r"U\+10FFFF"):
        Characters("abc").encode("\U0010ffff")


def test_many_characters_need_wider_ids() -> None:
    alphabet = [chr(point) for point in range(0x10000, 0x10000 + 65_537)]
    assert Characters(alphabet[:-1]).encode(alphabet[65_535]).tolist() == [65_535]
    wide = Characters(alphabet)
    assert wide.encode("".join(alphabet)).dtype == np.uint32
    assert wide.encode("".join(alphabet)).tolist() == list(range(65_537))


def test_characters_are_given_once() -> None:
    for alphabet in ("", "aba"):
        with pytest.raises(DataError, match="each one once"):
            Characters(alphabet)


def test_a_part_of_a_character_is_shown_by_its_bytes() -> None:
    assert [Bytes().token_text(token) for token in Bytes().encode("a€")] == ["a", r"\xe2", r"\x82", r"\xac"]
    assert Bytes().decode([0xE2, 0x82, ord("a")]) == "\ufffda"


def test_training_counts_pairs_and_is_deterministic() -> None:
    """The first pair is the most frequent one; each further token is a pair of earlier ones."""
    tokenizer = train_byte_pairs(["ab" * 10 + " " + "xab " * 5], 257)
    assert tokenizer.tokens[256] == b"ab"
    again = train_byte_pairs([LEARNED], 290)
    assert (again.to_json(), again.sha256) == (TRAINED.to_json(), TRAINED.sha256)
    assert TRAINED.size == 290
    made = set(TRAINED.tokens[:256])
    assert made == {bytes([value]) for value in range(256)}
    for (left, right), token in zip(TRAINED.merges, TRAINED.tokens[256:], strict=True):
        parts = [bytes(BYTE_SIGNS.index(sign) for sign in part) for part in (left, right)]
        assert set(parts) <= made
        assert b"".join(parts) == token
        made.add(token)


def test_a_size_without_a_pair_is_refused() -> None:
    with pytest.raises(DataError, match=r"at least 257 tokens.*got 256"):
        train_byte_pairs(["text"], 256)


def test_a_small_text_gets_fewer_tokens() -> None:
    """No pair is joined that comes once."""
    assert train_byte_pairs(["abcd"], 300).size == 256
    assert train_byte_pairs(["ab ab"], 300).tokens[256:] == (b"ab",)


def test_the_checksum_tells_vocabularies_apart() -> None:
    checksums = {
        tokenizer.sha256
        for tokenizer in (
            Characters("abc"),
            Characters("acb"),
            Characters("ab"),
            Bytes(),
            TRAINED,
            train_byte_pairs([LEARNED], 270),
        )
    }
    assert len(checksums) == 6


def test_the_choice_follows_the_text() -> None:
    few = corpus_of(LEARNED)
    assert choose_tokenizer(few)[:2] == ("characters", len(set(LEARNED)))
    assert make_tokenizer(few).decode(make_tokenizer(few).encode(LEARNED)) == LEARNED
    border = "".join(map(chr, range(0x4E00, 0x4E00 + 256)))
    assert choose_tokenizer(corpus_of(border)).kind == "characters"
    sizes = []
    for count in (1, 1_000, 3_000, 50_000):
        choice = choose_tokenizer(corpus_of((border + "!") * count))
        assert choice.kind == "bpe"
        assert f"{choice.size:,}" in choice.reason
        sizes.append(choice.size)
    train = int(0.9 * 257 * 3_000) * 3  # bytes: three for nearly each character
    assert sizes[0] == 512
    assert sizes[2] <= train / 400 < 2 * sizes[2]
    assert sizes[3] == 16_384


def test_kinds_are_made_by_name() -> None:
    corpus = corpus_of(LEARNED)
    assert make_tokenizer(corpus, "bytes").kind == "bytes"
    pairs = make_tokenizer(corpus, "bpe", 270)
    assert (pairs.kind, pairs.size) == ("bpe", 270)
    assert pairs.tokens == train_byte_pairs([corpus.train], 270).tokens
    with pytest.raises(DataError, match="no tokenizer is called 'words'"):
        make_tokenizer(corpus, "words")  # type: ignore[arg-type]


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no tokenizer"):
        load(tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = TRAINED.to_json()
    words = {"model": {"type": "WordLevel", "vocab": {"word": 0}}}
    gaps = {"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 2}}}
    other = json.loads(whole) | {"decoder": {"type": "Fuse"}}
    for content, message in [
        ("", "damaged"), (whole[: len(whole) // 2], "damaged"), ("[1]", "damaged"), ("{}", "damaged"),
        (json.dumps({"model": None}), "damaged"), (json.dumps(gaps), "damaged"), (json.dumps(words), "words such as"),
        (json.dumps(other), "BPE with ByteLevel"),
        (json.dumps({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}), "tokenizers"),
    ]:  # fmt: skip
        path.write_text(content)
        with pytest.raises(DataError, match=f"tokenizer.json.*{message}"):
            load(path)


def test_a_save_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(Error, match="cannot write"):
        Bytes().save(tmp_path / "missing" / "tokenizer.json")


def test_gpt2_is_known_by_its_vocabulary(gpt2_tokenizer: BytePairs, tmp_path: Path) -> None:
    assert (gpt2_tokenizer.kind, gpt2_tokenizer.size) == ("gpt2", 50_257)
    gpt2_tokenizer.save(tmp_path)
    assert load(tmp_path).kind == "gpt2"


def test_gpt2_never_reads_the_end_of_text_from_a_text(gpt2_tokenizer: BytePairs) -> None:
    text = "one<|endoftext|>two"
    assert gpt2_tokenizer.end_of_text not in gpt2_tokenizer.encode(text)
    assert gpt2_tokenizer.decode(gpt2_tokenizer.encode(text)) == text
    assert gpt2_tokenizer.token_text(gpt2_tokenizer.end_of_text or 0) == "<|endoftext|>"


def words_of(text: str) -> list[str]:
    """GPT-2's words: a contraction; or letters, digits or other signs, each with a space before; or whitespace."""

    def group(character: str) -> str:
        kind = "space" if character.isspace() else unicodedata.category(character)[0]
        return kind if kind in ("space", "L", "N") else "other"

    words, start = [], 0
    while start < len(text):
        found = next(
            (
                text[start : start + len(end)]
                for end in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
                if text.startswith(end, start)
            ),
            "",
        )
        if not found:
            first = start + (text[start] == " " and start + 1 < len(text) and group(text[start + 1]) != "space")
            stop = first
            while stop < len(text) and group(text[stop]) == group(text[first]):
                stop += 1
            if group(text[first]) == "space" and stop < len(text) and stop - start > 1:
                stop -= 1  # the last whitespace before a word is left for the word
            found = text[start:stop]
        words.append(found)
        start += len(found)
    return words


def plain_ids(text: str, ranks: dict[tuple[str, str], int], numbers: dict[str, int]) -> list[int]:
    """Join the pair of lowest rank, wherever it stands, until no pair has a rank."""
    ids = []
    for word in words_of(text):
        parts = [BYTE_SIGNS[value] for value in word.encode()]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            best, joined = min(pairs, key=ranks.__getitem__), []
            while parts:
                two = len(parts) > 1 and (parts[0], parts[1]) == best
                joined.append("".join(parts[: 1 + two]))
                parts = parts[1 + two :]
            parts = joined
        ids += [numbers[part] for part in parts]
    return ids


def test_gpt2_joins_as_the_plain_twin(gpt2_tokenizer: BytePairs) -> None:
    lines = read("gpt2", "vocab.bpe").decode().splitlines()[1:]
    ranks = {(left, right): rank for rank, (left, right) in enumerate(line.split() for line in lines)}
    numbers = json.loads(read("gpt2", "encoder.json"))
    texts = [
        "Hello, world! It's 2026, isn't it?  We'll see…\n\n\tdef f(x):\n        return x**2   # done  ",
        "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 漢字 😀 e\u0301 x\u3000y",
        LEARNED[:130],
    ]
    for text in texts:
        assert gpt2_tokenizer.encode(text).tolist() == plain_ids(text, ranks, numbers)
        assert gpt2_tokenizer.decode(gpt2_tokenizer.encode(text)) == text


def test_a_long_word_does_not_take_the_square_of_its_length() -> None:
    letters = np.random.default_rng(1).choice(list("abcdefghij"), 400_000)
    start = time.process_time()
    assert train_byte_pairs(["".join(letters)], 400).size == 400
    assert time.process_time() - start < 8


def test_words_of_any_language_are_learned_whole() -> None:
    text = "x" * (byte_pairs.LONGEST_WORD - 1) + " " * 40 + "\n" + "Grundstücksverkehrsgenehmigung der Übergang " * 30
    assert list(byte_pairs._without_long_words([text])) == [text]
    assert "".join(byte_pairs._without_long_words(["ab" * 5000 + "\t" * 3000])) == "ab" * 5000 + "\t" * 3000
