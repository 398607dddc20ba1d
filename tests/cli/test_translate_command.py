"""`kqv translate`: a line in, a line out; n-best, JSON, several runs, the attention's picture; what it refuses."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kqv as package
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.translation.ensemble import Translators, load_translators
from kqv.systems.translation.recipes import SearchPlan, numbers_dates

UNITS = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAIRS = [(f"{UNITS[a]} und {UNITS[b]}", f"{WORDS[a]} and {WORDS[b]}") for a in range(10) for b in range(10)]
CONTEXT = 40


@pytest.fixture(scope="session")
def translators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs: `pieces` of byte pairs, which knows every sign, and `signs` of single characters."""
    folder = tmp_path_factory.mktemp("translators")
    (folder / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    base = numbers_dates()
    small = TranslatorArchitecture(context=CONTEXT, width=32, heads=2, hidden=64, encoder_blocks=1, decoder_blocks=2)
    for name, tokenizer, vocab in (("pieces", "bpe", 300), ("signs", "characters", None)):
        recipe = base.model_copy(
            update={
                "model": small, "search": SearchPlan(beams=3, length_penalty=0.7),
                "data": base.data.model_copy(update={"tokenizer": tokenizer, "vocab": vocab}),
                "training": base.training.model_copy(
                    update={"batch": 512, "steps": 60, "evaluate_every": 60, "keep_best": True}
                ),
            }
        )  # fmt: skip
        package.train("translate", data=str(folder / "pairs.tsv"), recipe=recipe, out=folder / name)
    return folder


@pytest.fixture
def piped(kqv: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that runs `kqv translate` with bytes on standard input."""

    def run(given: bytes, *words: str | Path) -> Any:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        return kqv("translate", *words)

    return run


def said(run: Path, *sentences: str, n_best: int = 1) -> list[list[str]]:
    """What a run's model says of each sentence by itself, by Python."""
    found: Translators = load_translators([str(run)])
    how = found.search(n_best=n_best)
    return [[one.text for one in found.translate([sentence], how)[0]] for sentence in sentences]


def test_a_sentence_is_translated_as_by_python(kqv: Any, translators: Path) -> None:
    run = translators / "pieces"
    for sentence, _ in PAIRS[::33]:
        done = kqv("translate", run, sentence)
        assert done.status == 0, done.err
        assert done.out == f"{package.load(run).translate(sentence)}\n"
    assert len({texts[0] for texts in said(run, *(source for source, _ in PAIRS[::9]))}) > 3, "the model says something"


def test_a_line_in_a_line_out(piped: Any, translators: Path) -> None:
    run = translators / "pieces"
    done = piped("eins und zwei\n\ndrei und vier\n \t \nfünf und sechs\n".encode(), run)
    expected = [texts[0] for texts in said(run, "eins und zwei", "drei und vier", "fünf und sechs")]
    assert done.out.split("\n") == [expected[0], "", expected[1], "", expected[2], ""]
    assert done.err == ""


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (b"eins und zwei\r\ndrei und vier\r\n", ["eins und zwei", "drei und vier"]),  # Windows
        (b"\xef\xbb\xbfeins und zwei\ndrei und vier\n", ["eins und zwei", "drei und vier"]),  # a byte order mark
        (b"eins und zwei\ndrei und vier", ["eins und zwei", "drei und vier"]),  # no line end at the end
        ("eins\u2028und zwei\x0bvier\n".encode(), ["eins\u2028und zwei\x0bvier"]),  # line ends of other kinds
        (b"eins\runds\n", ["eins\runds"]),
        (b"", []),
        (b"\n", [""]),
    ],
)
def test_only_line_feeds_end_a_line(given: bytes, lines: list[str], piped: Any, translators: Path) -> None:
    run = translators / "pieces"
    done = piped(given, run)
    assert done.status == 0, done.err
    assert done.out == "".join(f"{' '.join(texts[0].splitlines())}\n" for texts in said(run, *lines))


def test_a_line_end_within_a_translation_becomes_a_space(
    piped: Any, translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kqv.systems.translation.translating import Translation

    def broken(self: Translators, sentences: list[str], how: Any, **options: Any) -> list[list[Translation]]:
        return [[Translation("one\ntwo\u2028three", 0.0, 0.0)] for _ in sentences]

    monkeypatch.setattr(Translators, "translate", broken)
    assert piped(b"eins\nzwei\n", translators / "pieces").out == "one two three\n" * 2


def test_many_lines_keep_their_order(piped: Any, translators: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.cli.translate.LINES", 7)
    run = translators / "pieces"
    sources = [source for source, _ in PAIRS[:20]]
    done = piped("".join(f"{source}\n" for source in sources).encode(), run)
    assert done.out.splitlines() == [texts[0] for texts in said(run, *sources)]


BAD = {
    "not UTF-8": (b"drei \xff vier", "signs", r"error: standard input, line 3: not UTF-8"),
    "unknown character": ("drei ☃ vier".encode(), "signs", r"error: line 3: .*☃"),
    "too long": (b"eins " * 100, "signs", rf"error: line 3 has 501 tokens, and the model reads at most {CONTEXT}"),
    "too long in pieces": (b"eins " * 100, "pieces", rf"error: line 3 has \d+ tokens, .* at most {CONTEXT}"),
}


@pytest.mark.parametrize("lines", [1, 2, 500])
@pytest.mark.parametrize("bad", BAD)
def test_a_line_that_cannot_be_translated_is_named_and_those_before_it_are_there(
    bad: str, lines: int, piped: Any, translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kqv.cli.translate.LINES", lines)
    line, name, problem = BAD[bad]
    run = translators / name
    done = piped(b"eins und zwei\n\n" + line + b"\nneun und acht\n", run)
    assert done.status == 1
    assert done.out == f"{said(run, 'eins und zwei')[0][0]}\n\n"
    assert len(done.err.splitlines()) == 1
    assert re.match(problem, done.err)


def test_at_a_prompt_an_unreadable_line_is_named_and_the_next_one_translated(
    kqv: Any, translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    lines = iter(["eins und ∞", "zwei und drei"])

    def typed(prompt: str) -> str:
        for line in lines:
            return line
        raise EOFError

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr(sys, "stdin", Terminal())
    run = translators / "signs"
    shown = kqv("translate", run)
    assert shown.status == 0
    assert "∞" in shown.err
    assert "line 1" in shown.err
    assert shown.out.splitlines() == said(run, "zwei und drei")[0]


def test_several_translations_of_lines_in_moses_form(piped: Any, translators: Path) -> None:
    run = translators / "pieces"
    done = piped(b"eins und zwei\n\ndrei und vier\n", run, "--n-best", "3")
    expected = said(run, "eins und zwei", "drei und vier", n_best=3)
    rows = [line.split(" ||| ") for line in done.out.splitlines()]
    assert [(number, text) for number, text, _ in rows] == [
        *(("0", text) for text in expected[0]), ("1", ""), *(("2", text) for text in expected[1])
    ]  # fmt: skip
    for number in ("0", "2"):
        scores = [float(score) for own, _, score in rows if own == number]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 3


def test_several_translations_of_a_sentence_are_a_table(kqv: Any, translators: Path) -> None:
    run = translators / "pieces"
    done = kqv("translate", run, "eins und zwei", "--n-best", "4")  # more than the recipe has beams
    rows = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert [number for number, *_ in rows] == ["1", "2", "3", "4"]
    assert [row[2] if len(row) > 2 else "" for row in rows] == said(run, "eins und zwei", n_best=4)[0]
    assert all(float(score) < 0 for _, score, *_ in rows)


def test_json_is_one_object(kqv: Any, piped: Any, translators: Path) -> None:
    run = translators / "pieces"
    one = kqv("translate", run, "eins und zwei", "--json").json
    assert one["model"] == str(run)
    (only,) = one["translations"]
    assert (only["source"], only["translation"]) == ("eins und zwei", said(run, "eins und zwei")[0][0])
    assert only["score"] < 0
    assert only["log_probability"] < 0
    assert "n_best" not in only
    many = piped(b"eins und zwei\n\n", run, "--json", "--n-best", "2").json
    assert [each["source"] for each in many["translations"]] == ["eins und zwei", ""]
    best = many["translations"][0]["n_best"]
    assert [each["translation"] for each in best] == said(run, "eins und zwei", n_best=2)[0]
    assert many["translations"][0]["translation"] == best[0]["translation"]
    assert many["translations"][1]["translation"] == ""


def test_options_of_the_search_rule_over_the_recipe(kqv: Any, translators: Path) -> None:
    run = translators / "pieces"
    found = load_translators([str(run)])
    for words, how in (
        (("--beams", "1"), found.search(1)),
        (("--length-penalty", "0"), found.search(None, 0.0)),
    ):
        (only,) = kqv("translate", run, "eins und zwei", "--json", *words).json["translations"]
        (best,) = found.translate(["eins und zwei"], how)[0]
        assert (only["translation"], only["score"]) == (best.text, best.score)


def test_a_run_with_itself_says_the_same(kqv: Any, translators: Path) -> None:
    run = translators / "pieces"
    alone, twice = (kqv("translate", run, "vier und neun", "--json", *more).json for more in ((), ("--with", run)))
    assert twice["translations"][0]["translation"] == alone["translations"][0]["translation"]
    assert twice["translations"][0]["score"] == pytest.approx(alone["translations"][0]["score"], abs=1e-5)


def test_a_run_with_another_vocabulary_is_refused(kqv: Any, translators: Path) -> None:
    refused = kqv("translate", translators / "pieces", "eins", "--with", translators / "signs").problem
    assert "have different vocabularies, so their probabilities cannot be averaged" in refused


def test_the_attention_is_drawn_with_its_words(kqv: Any, translators: Path) -> None:
    run = translators / "pieces"
    done = kqv("translate", run, "eins und zwei", "--attention", "map.svg")
    assert done.status == 0, done.err
    assert done.err == "figure written to map.svg\n"
    drawn = Path("map.svg").read_text(encoding="utf-8")
    from kqv.systems.translation.traced import trace_translation

    loaded = load_translators([str(run)]).loaded[0]
    _, words = trace_translation(loaded, "eins und zwei", done.out.removesuffix("\n"))
    texts = set(re.findall(r">([^<>]+)</text>", drawn)) | set(re.findall(r"<!-- (.+?) -->", drawn))
    for word in {*words.source, *words.targets} - {"</s>"}:
        assert word.strip("␣") in {text.strip("␣ ") for text in texts}, word
    assert kqv("translate", run, "eins und zwei", "--attention", "map.png").status == 0
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_loaded(
    kqv: Any, translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*given: Any) -> Any:
        raise AssertionError("a model was loaded")

    run = translators / "pieces"
    monkeypatch.setattr("kqv.systems.translation.ensemble.load_translators", load)
    refused = [
        kqv("translate", run, *words).problem
        for words in (
            ("--attention", "map.svg"),
            (" ", "--attention", "map.svg"),
            ("eins", "--attention", "map.svg", "--with", run),
            ("eins", "--attention", "map.doc"),
        )
    ]
    assert all("give the sentence as an argument" in one for one in refused[:2])
    assert "leave out --with" in refused[2]
    assert "map.doc" in refused[3]


def test_a_trace_shows_what_a_word_attends_to_in_both_texts(kqv: Any, translators: Path) -> None:
    words = ("trace", translators / "pieces", "eins und zwei", "--label", "one and two", "--word")
    read, written = (kqv(*words, word, "--json").json["attention"] for word in ("zwei", "two"))
    assert {row["attention"] for row in read} == {"encoder.blocks.0.attention"}
    parts = {f"decoder.blocks.{block}.{part}" for block in (0, 1) for part in ("attention", "cross_attention")}
    assert {row["attention"] for row in written} == parts
    crossing = [row for row in written if "cross" in row["attention"]]
    assert {row["word"] for row in crossing} - {"␣"} == {"eins", "und", "zwei", "</s>"}, "keys are the source's"
    own = {row["word"] for row in written if "cross" not in row["attention"]}
    assert own - {"␣"} == {"<s>", "one", "and", "two"}
    for part in parts:
        for head in (0, 1):
            weights = [row["weight"] for row in written if (row["attention"], row["head"]) == (part, head)]
            assert sum(weights) == pytest.approx(1, abs=1e-5)
    shown = kqv(*words, "two", "--plot", "two.svg")
    assert "decoder.blocks.0.cross_attention" in shown.out
    assert Path("two.svg").read_bytes().startswith(b"<?xml")
    assert "the text has no word" in kqv(*words, "three").problem


def test_a_run_of_another_system_is_refused(kqv: Any, run: Path, translators: Path) -> None:
    assert "is a digits run; this needs one of translate" in kqv("translate", run, "eins").problem
    assert (
        "is a digits run; this needs one of translate"
        in kqv("translate", translators / "pieces", "eins", "--with", run).problem
    )
    assert "there is no run" in kqv("translate", "nothing", "eins").problem


def test_the_best_weights_are_used_where_they_are_asked_for(kqv: Any, translators: Path) -> None:
    (only,) = kqv("translate", translators / "pieces", "eins", "--best", "--json").json["translations"]
    found = load_translators([str(translators / "pieces")], best=True)
    assert only["score"] == found.translate(["eins"], found.search())[0][0].score


def test_a_reader_that_leaves_ends_it_quietly(translators: Path, here: Path) -> None:
    Path("given.txt").write_text("".join(f"{source}\n" for source, _ in PAIRS) * 3, encoding="utf-8")
    command = f"{sys.executable} -m kqv translate {translators / 'signs'} --beams 1 < given.txt"
    done = subprocess.run(["sh", "-c", f"{command} | head -n 1"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_student_is_trained_and_resumed_on_the_command_line(kqv: Any, translators: Path) -> None:
    run, teacher = Path("student"), translators / "pieces"
    words = ("train", "translate", "--teacher", teacher, "--teacher", teacher, "--also-originals", "--out", run)
    done = kqv(*words, "--steps", "2")
    assert done.status == 0, done.err
    assert f"it is trained on translations by {teacher} and {teacher}, and on the data's own" in " ".join(
        done.err.split()
    )
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["data"]["teacher"]["also_originals"] is True
    assert config["data"]["train"] == 2 * len((run / "teacher.txt").read_text().splitlines())
    assert kqv("train", "translate", "--resume", run, "--steps", "3").status == 0
    assert kqv("translate", run, "eins und zwei").status == 0
    assert kqv("evaluate", run, "--with", teacher, "--json").json["with"] == [str(teacher)]
    assert "--resume keeps the recipe" in kqv("train", "translate", "--resume", run, "--teacher", teacher).problem
    assert "give --teacher RUN" in kqv("train", "translate", "--also-originals", "--out", "other").problem
    assert not Path("other").exists()
