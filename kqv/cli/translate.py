"""`kqv translate`: a trained translator's translations of a sentence, or of each line of standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kqv.cli.console import console, notices
from kqv.cli.json_output import print_json
from kqv.cli.options import Beams, Best, Device, Json, LengthPenalty, With
from kqv.cli.piped import piped_lines
from kqv.errors import Error
from kqv.evaluation.hypotheses import one_line
from kqv.visible import visible

if TYPE_CHECKING:
    from kqv.generation.beam_search import BeamSearch
    from kqv.systems.translation.ensemble import Translators
    from kqv.systems.translation.translating import Translation

LINES = 500
"""Lines of standard input that are translated together."""

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run of kqv train translate: path, name in runs/ or 'latest'.")
]
Sentence = Annotated[
    str | None, typer.Argument(metavar="SENTENCE", help="What to translate; without it, each line of standard input.")
]
NBest = Annotated[int, typer.Option(help="Show so many translations of each sentence, with their scores.", min=1)]
Attention = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Draw which words of SENTENCE each word of its translation looks at: PNG, SVG, PDF."
    ),
]


def translate(
    run: Run, sentence: Sentence = None, others: With = None, beams: Beams = None,
    length_penalty: LengthPenalty = None, n_best: NBest = 1, attention: Attention = None, best: Best = False,
    device: Device = "auto", as_json: Json = False,
) -> None:  # fmt: skip
    """Translate a sentence, or standard input line by line, in the form (raw or tokenised) that the run was trained on.

    An empty line stays an empty line.
    """
    from kqv.systems.translation.ensemble import load_translators

    if attention is not None:
        _require_one_sentence(sentence, others, attention)
    translators = load_translators([run, *(others or [])], best, device)
    how = translators.search(beams, length_penalty, n_best)

    if sentence is not None:
        found = translators.translate([sentence], how)[0]
        if as_json:
            print_json({"model": run, "translations": [_as_dict(sentence, found)]})
        elif n_best > 1:
            _show_table(found)
        else:
            text = one_line(found[0].text)
            console.file.write(f"{visible(text)}\n" if sys.stdout.isatty() else f"{text}\n")
        if attention is not None:
            _draw(translators, sentence, found[0].text, attention)
        return
    if as_json:
        lines = [line for block in _blocks() for line in block]
        print_json({"model": run, "translations": list(map(_as_dict, lines, translators.translate(lines, how)))})
        return
    _translate_lines(translators, how, n_best)


def _translate_lines(translators: Translators, how: BeamSearch, n_best: int) -> None:
    """A line in, a line out; of several translations Moses's form `LINE ||| TRANSLATION ||| SCORE`, lines from 0.

    Where a line cannot be translated, those before it are written first; at a prompt the next line may be tried.
    """
    number, asks = 0, sys.stdin.isatty()
    for block in _blocks():
        readable, failure = translators.readable(block, number + 1)
        for found in translators.translate(block[:readable], how, first_line=number + 1):
            for one in found:
                text, score = one_line(one.text), f" ||| {one.score:.4f}"
                sys.stdout.write(f"{number} ||| {text}{score}\n" if n_best > 1 else f"{text}\n")
            number += 1
        sys.stdout.flush()
        if failure is not None and not asks:
            raise failure
        if failure is not None:
            notices.print(visible(str(failure)), style="red", markup=False)
            number += 1


def _blocks() -> Iterator[list[str]]:
    """The lines of standard input without their ends: of a terminal one by one, else many at a time."""
    if sys.stdin.isatty():
        notices.print("[dim]Type a sentence to translate; Ctrl-D leaves.[/]")
        with suppress(ImportError):  # not on Windows; with it, lines can be edited and come back with the up key
            import readline  # noqa: F401
        while True:
            try:
                yield [input("> ")]
            except (EOFError, KeyboardInterrupt):
                notices.print()
                return
    block: list[str] = []
    try:
        for line in piped_lines():
            block.append(line)
            if len(block) == LINES:
                yield block
                block = []
    except Error:
        yield block
        raise
    if block:
        yield block


def _as_dict(sentence: str, found: list[Translation]) -> dict[str, object]:
    best = [
        {"translation": one.text, "score": one.score, "log_probability": one.log_probability, "complete": one.complete}
        for one in found
    ]
    return {"source": sentence, **best[0]} | ({"n_best": best} if len(best) > 1 else {})


def _show_table(found: list[Translation]) -> None:
    for number, one in enumerate(found, 1):
        console.print(f"{number:>2}  {one.score:8.4f}  {visible(one.text)}", markup=False, highlight=False)


def _require_one_sentence(sentence: str | None, others: list[str] | None, attention: Path) -> None:
    from kqv.plots.figures import check_ending

    check_ending(attention)
    if not (sentence or "").strip():
        raise Error("--attention draws one sentence's attention; give the sentence as an argument")
    if others:
        raise Error("--attention looks into one model; leave out --with")


def _draw(translators: Translators, sentence: str, translation: str, path: Path) -> None:
    from kqv.plots.cross_attention import plot_cross_attention
    from kqv.systems.translation.traced import trace_translation

    trace, words = trace_translation(translators.loaded[0], sentence, translation)
    plot_cross_attention(trace, path, written=tuple(words.targets))
    notices.print(f"figure written to {visible(str(path))}", markup=False)
