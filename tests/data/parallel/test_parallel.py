"""Parallel text: generated pairs, Multi30k in both forms, own files and what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from kqv.data.parallel.generated import KINDS
from kqv.data.parallel.load import load_parallel, load_whole
from kqv.data.parallel.pairs import ParallelText
from kqv.data.sets import PARALLEL, SOURCES
from kqv.data.sources import find
from kqv.errors import DataError


@pytest.fixture(scope="module")
def numbers() -> ParallelText:
    return load_parallel("numbers-dates", quantity=4000, seed=1)


def whole(text: ParallelText) -> tuple[tuple[str, str], ...]:
    return text.train + text.validation + text.test


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tsv(folder: Path, count: int = 60) -> Path:
    return write(folder, "own.tsv", "".join(f"Satz {number}\tsentence {number}\n" for number in range(count)))


def test_both_sets_are_registered() -> None:
    assert list(PARALLEL) == ["numbers-dates", "multi30k"]
    assert SOURCES["numbers-dates"].embedded


def test_what_is_held_out_comes_once_in_either_language(numbers: ParallelText) -> None:
    assert [len(numbers.train), len(numbers.validation), len(numbers.test)] == [3600, 200, 200]
    held = [*numbers.validation, *numbers.test]
    for side in range(2):
        sentences = {pair[side] for pair in held}
        assert len(sentences) == len(held)
        assert not sentences & {pair[side] for pair in numbers.train}


def test_a_generated_sentence_has_one_translation(numbers: ParallelText) -> None:
    pairs = set(whole(numbers))
    assert len({german for german, _ in pairs}) == len({english for _, english in pairs}) == len(pairs)


def test_generated_pairs_follow_the_seed_alone(numbers: ParallelText) -> None:
    assert load_parallel("numbers-dates", quantity=4000, seed=1).sha256 == numbers.sha256
    assert load_parallel("numbers-dates", quantity=4000, seed=2).sha256 != numbers.sha256


@pytest.mark.parametrize(
    "pair",
    [
        ("einundzwanzig", "twenty-one"),
        ("der dritte", "the third"),
        ("im Jahr neunzehnhundertfünf", "in the year nineteen oh-five"),
        ("15:05 Uhr", "3:05 PM"),
        ("zehn Minuten vor vier", "ten minutes to four"),
        ("eine Minute vor eins", "one minute to one"),
        ("Viertel nach drei", "a quarter past three"),
        ("halb vier", "half past three"),
        ("drei Viertel", "three quarters"),
        ("ein Drittel", "one third"),
        ("12,5 %", "12.5%"),
        ("zwölf Komma fünf Prozent", "twelve point five percent"),
    ],
)
def test_what_people_say_is_among_what_the_kinds_give(pair: tuple[str, str]) -> None:
    random = Random(0)
    assert any(kind(random) == pair for _ in range(60_000 // len(KINDS)) for kind in KINDS)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d\d\.\d\d\.\d\d", r"\d\d\.\d\d\.\d{4}", r"\d+\. \w+ \d{4}", r"\w+, \d+\. \w+ \d{4}",
        r"der \w+te \w+ .*hundert\w*",
        r"[\d.]+,\d\d €", r"[\d.]+,\d\d \$", r"[\d.]+,\d\d £", r".+ Euro und .+ Cent", r".+ Pfund und .+ (Pence|Penny)",
    ],
)  # fmt: skip
def test_every_format_comes_in_the_held_out_pairs_too(numbers: ParallelText, pattern: str) -> None:
    assert any(re.fullmatch(pattern, german) for german, _ in numbers.validation + numbers.test)


def test_figures_stay_the_same_in_both_languages(numbers: ParallelText) -> None:
    amounts = [pair for pair in numbers.train if re.fullmatch(r"[\d.,]+ [€$£]", pair[0])]
    assert len(amounts) > 100
    for german, english in amounts:
        swapped = german[:-2].translate(str.maketrans(".,", ",."))
        assert english == german[-1] + swapped


def test_spaces_are_those_that_people_type(numbers: ParallelText) -> None:
    assert {letter for pair in whole(numbers) for text in pair for letter in text if letter.isspace()} == {" "}


@pytest.mark.parametrize("quantity", [0, 19, 1_000_001])
def test_a_quantity_out_of_range_is_refused(quantity: int) -> None:
    with pytest.raises(DataError, match="ask for 20 to 1,000,000"):
        load_parallel("numbers-dates", quantity=quantity)


def test_the_smallest_quantity_has_all_splits() -> None:
    text = load_parallel("numbers-dates", quantity=20)
    assert (len(text.train), len(text.validation), len(text.test)) == (18, 1, 1)


def test_the_other_direction_has_the_same_pairs(numbers: ParallelText) -> None:
    other = load_parallel("Numbers-Dates", source="en", quantity=4000, seed=1)
    assert (other.source, other.target) == ("en", "de")
    assert [pair[::-1] for pair in other.test] == list(numbers.test)
    assert other.sha256 != numbers.sha256
    assert other.reversed() == numbers


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"source": "fr"}, "no direction from fr to any; its languages are de and en"),
        ({"source": "de", "target": "de"}, "no direction from de to de"),
        ({"form": "tokenised"}, "raw text, there is no tokenised form"),
        ({"form": "bpe"}, "no form of text is called 'bpe'; give raw or tokenised"),
        ({"test": "a.tsv"}, "has its own validation and test pairs"),
    ],
)
def test_what_a_named_set_does_not_have_is_refused(options: dict[str, str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        load_parallel("numbers-dates", quantity=20, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["raw", "tokenised"])
def test_multi30k(form: str) -> None:
    source = SOURCES["multi30k"]
    if any(find(source, file) is None for file in source.files):
        pytest.skip("the files of multi30k are not here: set KQV_DATA or run `kqv data fetch multi30k`")
    text = load_parallel("multi30k", form=form, source="en")  # type: ignore[arg-type]
    assert (text.source, text.target, text.form) == ("en", "de", form)
    assert (len(text.train), len(text.validation), len(text.test)) == (29_000, 1014, 1000)
    english, german = text.test[0]
    first = {
        "raw": ("A man in an orange hat starring at something.",
                "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."),
        "tokenised": ("a man in an orange hat starring at something .",
                      "ein mann mit einem orangefarbenen hut , der etwas anstarrt ."),
    }[form]  # fmt: skip
    assert (english, german) == first
    with pytest.raises(DataError, match="taken whole"):
        load_parallel("multi30k", quantity=5)


def test_two_files_and_one_tsv_give_the_same_pairs(tmp_path: Path) -> None:
    one = load_parallel(tsv(tmp_path), source="de", target="en")
    german = write(tmp_path, "own.de", "".join(f"Satz {number}\r\n" for number in range(60)))
    english = write(tmp_path, "own.en", b"\xef\xbb\xbf" + "\n".join(f"sentence {n}" for n in range(60)).encode())
    two = load_parallel((german, english))
    assert (two.source, two.target) == ("de", "en")
    assert one.sha256 == two.sha256
    assert (len(two.train), len(two.validation), len(two.test)) == (54, 3, 3)
    assert two.describe() == "own.de and own.en: de to en, raw; 54 pairs to train, 3 to validate, 3 to test"


def test_what_is_held_out_does_not_hang_on_the_order_and_repeats_stay_together(tmp_path: Path) -> None:
    lines = tsv(tmp_path).read_text().splitlines()
    text = load_parallel(tmp_path / "own.tsv")
    again = load_parallel(write(tmp_path, "twice.tsv", "\n".join([*reversed(lines), *lines])))
    for split in ("train", "validation", "test"):
        assert set(getattr(again, split)) == set(getattr(text, split))
        assert len(getattr(again, split)) == 2 * len(getattr(text, split))


def test_given_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    path, test = tsv(tmp_path), write(tmp_path, "test.tsv", "a\tb\n\n")
    text = load_parallel(path, test=test, form="tokenised")
    assert text.test == (("a", "b"),)
    assert (len(text.train), len(text.validation), text.skipped, text.form) == (57, 3, 1, "tokenised")
    assert "1 line skipped, empty on both sides" in text.describe()
    whole_file = load_parallel(path, validation=test, test=test)
    assert len(whole_file.train) == 60


@pytest.mark.parametrize(
    ("german", "english", "problem"),
    [
        ("a\nb\nc\n", "a\n", r"own\.de is 2 lines longer than .*own\.en \(3 and 1\), its line 2 has no partner"),
        ("a\n", "a\nb\n", r"own\.en is 1 line longer than .*own\.de \(2 and 1\)"),
        ("a\n \nc\n", "a\nb\nc\n", r"own\.de, line 2: empty, but line 2 of .*own\.en is not"),
        ("a\nb\nc\n", "a\nb\n\n", r"own\.en, line 3: empty, but line 3 of .*own\.de is not"),
        ("a\nb\n", b"a\nf\xfcr\n", r"own\.en, line 2: not UTF-8: byte 0xfc at position 3 of the file"),
        ("a\n", b"\xef\xbb\xbff\xfcr\n", r"own\.en, line 1: not UTF-8: byte 0xfc at position 4 of the file"),
        ("\n\n", "\n\n", "own.de and own.en has no sentences"),
        ("", "", "own.de and own.en has no sentences"),
        ("a\na\na\n", "b\nb\nb\n", "too few to train on"),
    ],
)
def test_what_is_wrong_with_two_files(tmp_path: Path, german: str, english: str | bytes, problem: str) -> None:
    paths = write(tmp_path, "own.de", german), write(tmp_path, "own.en", english)
    with pytest.raises(DataError, match=problem) as error:
        load_parallel(paths)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a\tb\nc\n", r"own\.tsv, line 2: expected one tab, .* found 0"),
        ("a\tb\tc\n", r"own\.tsv, line 1: expected one tab, .* found 2"),
        ("a\tb\nc\t\n", r"own\.tsv, column 2, line 2: empty, but line 2 of .*column 1 is not"),
    ],
)
def test_what_is_wrong_with_a_tsv(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        load_parallel(write(tmp_path, "own.tsv", content))


def test_a_line_separator_of_unicode_does_not_shift_the_lines(tmp_path: Path) -> None:
    german = write(tmp_path, "own.de", "".join(f"Satz\u2028{number}\n" for number in range(20)))
    english = write(tmp_path, "own.en", "".join(f"sentence {number}\n" for number in range(20)))
    assert ("Satz\u20287", "sentence 7") in whole(load_parallel((german, english)))


def test_what_is_not_there_is_refused_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file is there; give numbers-dates, multi30k, a TSV, or two files"):
        load_parallel("wmt")
    with pytest.raises(DataError, match="found 3 paths"):
        load_parallel(["a", "b", "c"])
    with pytest.raises(DataError, match="a quantity is for pairs that are generated"):
        load_parallel(tsv(tmp_path), quantity=5)


def test_files_are_taken_whole_with_the_line_on_which_each_pair_stands(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_bytes("\ufeffeins\r\n\r\nzwei\u2028drei\n \nvier".encode())
    (tmp_path / "a.en").write_text("one\n\ntwo\n\nfour\n", encoding="utf-8")
    pairs, lines = load_whole([tmp_path / "a.de", tmp_path / "a.en"])
    assert pairs == (("eins", "one"), ("zwei\u2028drei", "two"), ("vier", "four"))
    assert lines == [1, 3, 5]
    (tmp_path / "a.tsv").write_text("eins\tone\n\t\n\nzwei\ttwo\n", encoding="utf-8")
    assert load_whole(tmp_path / "a.tsv") == ((("eins", "one"), ("zwei", "two")), [1, 4])
    (tmp_path / "a.en").write_text("one\n\ntwo\n\nfour\nfive\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.en is 1 line longer"):
        load_whole([tmp_path / "a.de", tmp_path / "a.en"])
