"""Scores of translations: sacrebleu's command line gives the same, with the same signatures; and what is refused."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kqv.errors import Error
from kqv.evaluation.hypotheses import write_hypotheses
from kqv.evaluation.moses import lowercased_normalised_tokenised
from kqv.evaluation.translation import TranslationScores, score_translations

REFERENCES = [
    "A man in an orange hat, starring at something.",
    "Two men's dogs run (fast) over well-kept green grass!",
    'The sign says: "It\'s a nice day."',
    "Five people wearing winter jackets & helmets stand in the snow.",
    "A girl.",
    "The boys' bus leaves at 10:30 a.m. for Mr. Smith's farm.",
] * 20


def garbled(lines: list[str], seed: int = 0) -> list[str]:
    """Some lines as they are, the others with words left out, doubled or in capitals."""
    drawn = random.Random(seed)
    said = []
    for line in lines:
        words = [word for word in line.split() if drawn.random() > 0.15] or ["nothing"]
        if drawn.random() < 0.3:
            words[0] = words[0].upper()
        said.append(line if drawn.random() < 0.3 else " ".join(words))
    return said


HYPOTHESES = garbled(REFERENCES)


def by_command_line(folder: Path, hypotheses: list[str], references: list[str], tokenizer: str) -> dict[str, Any]:
    """BLEU and chrF by `sacrebleu` in a process of its own, on files."""
    write_hypotheses(folder / "hypotheses", hypotheses)
    write_hypotheses(folder / "references", references)
    options = ["-m", "bleu", "chrf", "--tokenize", tokenizer, "--force", "--format", "json", "-w", "10"]
    files = [str(folder / "references"), "-i", str(folder / "hypotheses")]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *files, *options], capture_output=True, text=True, check=True, timeout=60
    )
    return {one["name"]: one for one in json.loads(done.stdout)}


def is_equal(scores: TranslationScores, key: str, theirs: dict[str, Any]) -> bool:
    ours = scores.figure(key)
    return ours.signature == theirs["signature"] and ours.score == pytest.approx(theirs["score"], abs=1e-9)


def test_raw_scores_are_those_of_the_command_line(tmp_path: Path) -> None:
    scores = score_translations(HYPOTHESES, REFERENCES, form="raw", language="en")
    theirs = by_command_line(tmp_path, HYPOTHESES, REFERENCES, "13a")
    assert is_equal(scores, "bleu", theirs["BLEU"])
    assert is_equal(scores, "chrf", theirs["chrF2"])
    assert 0 < scores.bleu < 100
    tokenised = [lowercased_normalised_tokenised(lines, "en") for lines in (HYPOTHESES, REFERENCES)]
    assert is_equal(scores, "bleu_tokenised", by_command_line(tmp_path, *tokenised, "none")["BLEU"])
    assert scores.figure("bleu_tokenised").score != pytest.approx(scores.bleu)


def test_tokenised_scores_are_those_of_the_command_line(tmp_path: Path) -> None:
    said, wanted = (lowercased_normalised_tokenised(lines, "en") for lines in (HYPOTHESES, REFERENCES))
    scores = score_translations(said, wanted, form="tokenised", language="en")
    theirs = by_command_line(tmp_path, said, wanted, "none")
    assert is_equal(scores, "bleu", theirs["BLEU"])
    assert is_equal(scores, "chrf", theirs["chrF2"])
    assert "tok:none" in scores.figure("bleu").signature
    found = scores.as_json()
    assert found["bleu_tokenised"] == found["bleu"], "one name for the comparable figure, whatever form is scored"
    assert len(scores.table().splitlines()) == 5


def test_a_raw_translation_is_scored_against_the_published_reference_where_there_is_one() -> None:
    published = lowercased_normalised_tokenised(REFERENCES, "en")
    alike = score_translations(HYPOTHESES, REFERENCES, form="raw", language="en")
    given = score_translations(HYPOTHESES, REFERENCES, form="raw", language="en", tokenised_references=published)
    other = score_translations(HYPOTHESES, REFERENCES, form="raw", language="en", tokenised_references=published[::-1])
    assert given.figure("bleu_tokenised").score == alike.figure("bleu_tokenised").score
    assert other.figure("bleu_tokenised").score < given.figure("bleu_tokenised").score
    assert "the reference likewise" in alike.figure("bleu_tokenised").text
    assert "against the published reference" in given.figure("bleu_tokenised").text


def test_a_translation_that_is_its_reference_is_exact_whatever_white_space_ends_it() -> None:
    scores = score_translations(["a b", "a b ", "a  b", "A b"], ["a b"] * 4, form="raw", language="en")
    assert (scores.exact, scores.sentences, scores.exact_match) == (2, 4, 0.5)


def test_an_empty_translation_counts_as_a_wrong_one() -> None:
    empty = score_translations(["", *REFERENCES[1:]], REFERENCES, form="raw", language="en")
    assert empty.exact == len(REFERENCES) - 1
    assert 90 < empty.bleu < 100
    assert score_translations([""], ["A girl."], form="raw", language="en").bleu == 0


def test_languages_without_spaces_are_scored_by_their_characters() -> None:
    wanted = ["两个男人在街上走路。"]
    scores = score_translations(["两个女人在街上走路。"], wanted, form="raw", language="zh")
    assert "tok:zh" in scores.figure("bleu").signature
    assert scores.bleu > 20
    assert "bleu_tokenised" not in scores.as_json()
    japanese = score_translations(["二人の男が道を歩く。"], ["二人の女が道を歩く。"], form="raw", language="ja-JP")
    assert "tok:char" in japanese.figure("bleu").signature


def test_json_and_table_carry_every_figure_with_its_signature() -> None:
    scores = score_translations(HYPOTHESES, REFERENCES, form="raw", language="en")
    found = json.loads(json.dumps(scores.as_json()))
    assert {"bleu", "bleu_tokenised", "chrf", "exact_match", "sentences"} <= set(found)
    assert found["exact_match"] == scores.exact / len(REFERENCES)
    table = scores.table()
    for figure in scores.figures:
        (key,) = figure.keys
        assert found[key] == figure.score
        assert found["signatures"][key] == figure.signature
        assert found["texts"][key] == figure.text
        assert figure.signature in table
        assert f"{figure.score:.2f}" in table
    assert f"{scores.exact} of {len(REFERENCES)}" in table
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize("form", ["raw", "tokenised"])
def test_unequal_numbers_and_empty_sets_are_refused(form: Any) -> None:
    with pytest.raises(Error, match=r"2 translations cannot be scored against 1 references; give one for each"):
        score_translations(["a", "b"], ["a"], form=form, language="en")
    with pytest.raises(Error, match="1 translations cannot be scored against 2 tokenised references"):
        score_translations(["a"], ["a"], form=form, language="en", tokenised_references=["a", "b"])
    with pytest.raises(Error, match="nothing to score"):
        score_translations([], [], form=form, language="en")


BREAKS = "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"


def test_a_line_break_in_a_translation_moves_no_other_line(tmp_path: Path) -> None:
    said = [f"one{mark}more {number}" for number, mark in enumerate(BREAKS)] + ["", "the last"]
    write_hypotheses(tmp_path / "test.en", said)
    content = (tmp_path / "test.en").read_text(encoding="utf-8")
    assert content.splitlines() == [f"one more {number}" for number in range(len(BREAKS))] + ["", "the last"]
    assert content.endswith("last\n")


def test_a_file_with_line_breaks_replaced_scores_as_the_translations_do(tmp_path: Path) -> None:
    said = [line.replace(" ", BREAKS[number % len(BREAKS)], 1) for number, line in enumerate(HYPOTHESES)]
    scores = score_translations(said, REFERENCES, form="raw", language="en")
    theirs = by_command_line(tmp_path, said, REFERENCES, "13a")
    assert is_equal(scores, "bleu", theirs["BLEU"])
    assert is_equal(scores, "chrf", theirs["chrF2"])
    assert scores.bleu == score_translations(HYPOTHESES, REFERENCES, form="raw", language="en").bleu


def test_hypotheses_take_the_place_of_older_ones_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "test.en"
    write_hypotheses(path, ["old"])

    def broken() -> Any:
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_hypotheses(path, broken())
    assert path.read_text(encoding="utf-8") == "old\n"
    with pytest.raises(Error, match="cannot write"):
        write_hypotheses(tmp_path / "missing" / "test.en", ["a"])
    assert [one.name for one in tmp_path.iterdir()] == ["test.en"]
