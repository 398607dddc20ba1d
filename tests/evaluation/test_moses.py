"""Lowercasing, normalising and tokenising gives the published files of Multi30k."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from kqv.data.parallel.files import lines_of
from kqv.evaluation.moses import lowercased_normalised_tokenised, moses_language

FOLDERS = [Path(folder) / "multi30k" for folder in os.environ.get("KQV_DATA", "missing").split(os.pathsep)]
FOLDER = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
LINES = {"val": 1014, "test_2016_flickr": 1000, "train": 29_000}
QUOTING = "„“”‚‘’\"'`"


def published(name: str) -> list[str]:
    if not FOLDER.is_dir():
        pytest.skip("no multi30k in the folders that KQV_DATA names")
    return lines_of(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()), name)


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("split", list(LINES))
def test_published_lines_are_reproduced_one_and_all(split: str, language: str) -> None:
    """Of the training split the lines with quotation marks, which are the hard ones; all others agree as well."""
    raw, wanted = published(f"{split}.{language}"), published(f"{split}.lc.norm.tok.{language}")
    assert len(raw) == len(wanted) == LINES[split]
    if split == "train":
        quoting = [number for number, line in enumerate(raw) if any(mark in line for mark in QUOTING)]
        raw, wanted = [raw[number] for number in quoting], [wanted[number] for number in quoting]
        assert len(raw) > 100
    made = lowercased_normalised_tokenised(raw, language)
    different = [(one, other) for one, other in zip(made, wanted, strict=True) if one != other]
    assert not different, f"{len(different)} of {len(raw)} lines differ: {different[:3]}"


@pytest.mark.parametrize(
    ("language", "line", "wanted"),
    [
        ("en", "A man's well-kept \t dog (brown).", "a man &apos;s well-kept dog ( brown ) ."),
        ("de", "Er sagt: „Das ist es.“", "er sagt : &quot; das ist es &quot; ."),
        ("de", "„Hook ’em“-Zeichen", "&quot; hook &quot; em &quot; -zeichen"),
        ("en", "a <b> & c [d] | e", "a &lt; b &gt; &amp; c &#91; d &#93; &#124; e"),
        ("en", "", ""),
        ("en", " \u2028 ", ""),
        ("en", "one\ntwo", "one two"),
    ],
)
def test_what_becomes_of_a_line(language: str, line: str, wanted: str) -> None:
    assert lowercased_normalised_tokenised([line], language) == [wanted]


def test_a_language_without_rules_is_processed_as_english() -> None:
    line = 'He said "I know", didn\'t he?'
    assert moses_language("target") == "en"
    assert moses_language("DE") == moses_language("de-AT") == "de"
    assert lowercased_normalised_tokenised([line], "target") == lowercased_normalised_tokenised([line], "en")
    assert lowercased_normalised_tokenised([line], "de") != lowercased_normalised_tokenised([line], "en")
