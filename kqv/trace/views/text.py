"""Explanations as text for a terminal of any width."""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import TYPE_CHECKING

from kqv.arithmetic import Constant, Rendering, Total, number
from kqv.trace.explanation import TOLERANCE, Arithmetic, Explanation
from kqv.trace.views.summary import short
from kqv.visible import visible

if TYPE_CHECKING:
    from kqv.trace.ancestry import Step

_MARGIN = 12
_SOURCES = 10
_GLUE = "\u00a0"


def terminal_width(width: int | None = None) -> int:
    """The width to write for: as asked, else the terminal's, else 100; never under 40."""
    return max(40, width if width is not None else shutil.get_terminal_size((100, 24)).columns)


def spread(left: str, right: str, width: int) -> list[str]:
    """Two texts at the two ends of a line; the second under the first where they don't fit."""
    if not right:
        return wrapped(left, width, "    ")
    if len(left) + 2 + len(right) <= width:
        return [f"{left}{' ' * (width - len(left) - len(right))}{right}"]
    return [*wrapped(left, width, "    "), *(f"    {line}" for line in wrapped(right, width - 4, ""))]


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """A text in lines of at most `width`, further lines indented; broken before signs, not inside short brackets."""
    glued = re.sub(r"(?<=\s)([+−=·]) ", rf"\1{_GLUE}", text)
    for _ in range(3):
        glued = re.sub(
            r"\([^() ]* [^()]{,36}\)|(?<=\s)\[[^\[\]]{,40}\]", lambda group: group[0].replace(" ", _GLUE), glued
        )
    lines = textwrap.wrap(glued, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return [line.replace(_GLUE, " ") for line in lines]


def labelled(label: str, text: str, width: int, depth: int = 2) -> list[str]:
    """A line that starts with a word, further lines under its text."""
    indent = " " * (depth + _MARGIN)
    body = wrapped(text, max(20, width - len(indent)), "  ")
    return [f"{' ' * depth}{label:<{_MARGIN}}{body[0]}", *(indent + line for line in body[1:])]


def listed(label: str, texts: list[str], width: int, depth: int) -> list[str]:
    """Several texts under each other, the first one behind the label."""
    return [line for count, text in enumerate(texts) for line in labelled("" if count else label, text, width, depth)]


def explanation_text(explanation: Explanation, width: int | None = None, terms: int = 6) -> str:
    """One cell: value, formula, the arithmetic with its numbers, where these are from, and the check."""
    width = terminal_width(width)
    right = [explanation.symbol, explanation.heading, str(explanation.location)]
    lines = spread(f"{explanation.cell} = {number(explanation.value)}", " · ".join(filter(None, right)), width)
    if explanation.meaning:
        lines += labelled("meaning", explanation.meaning, width)
    if explanation.occasion:
        lines += labelled("step", explanation.occasion, width)
    if not explanation.parts:
        return _joined(lines + _arithmetic(explanation, explanation, width, terms))
    lines += labelled("formula", explanation.formula, width)
    values = Total(tuple(Constant(part.value) for part in explanation.parts))
    numbers = Rendering(len(explanation.parts)).text_of(values)
    lines += labelled("numbers", f"{numbers} = {number(explanation.value)}", width)
    for count, part in enumerate(explanation.parts, 1):
        lines += labelled(f"use {count}", " · ".join(filter(None, [part.heading, str(part.location)])), width)
        lines += _arithmetic(part, explanation, width, terms, depth=4)
    if explanation.expression is not None:
        lines += _check(explanation, width, 2)
    return _joined(lines)


def _joined(lines: list[str]) -> str:
    return visible("\n".join(lines), keep="\n")


def _arithmetic(part: Arithmetic, whole: Explanation, width: int, terms: int, depth: int = 2) -> list[str]:
    """Formula, numbers, intermediate results, sources and check of one piece of arithmetic."""
    lines = labelled("formula", part.formula, width, depth)
    numbers, rendering = part.rendering(terms)
    if part.expression is not None:
        lines += labelled("numbers", f"{numbers} = {number(part.value)}", width, depth)
        lines += listed(
            "where", [f"{name} = {arithmetic}" for name, arithmetic in intermediate(rendering)], width, depth
        )
    shown = list(rendering.sources.items())[:_SOURCES]
    sources = [source_text(label, value, whole.meaning_of(label), rendering.shown[label]) for label, value in shown]
    hidden = len(rendering.sources) - len(shown)
    sources += [f"{'':>12}… {hidden} more"] * bool(hidden)
    lines += listed("from", sources + [f"{name} (the whole tensor)" for name in whole.tensors], width, depth)
    chosen = [f"{cell}  {whole.meaning_of(cell)}".rstrip() for cell in part.consulted[:3]]
    chosen += [f"… {len(part.consulted) - 3} more"] * (len(part.consulted) > 3)
    lines += listed("chosen by", chosen, width, depth)
    return lines + (_check(part, width, depth) if part.expression is not None else [])


def intermediate(rendering: Rendering) -> list[tuple[str, str]]:
    """Each intermediate result: its symbol and number, and its arithmetic; of many with one symbol the first alone."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    done = 0
    while len(rendering.named) > done:
        (symbol, value), meaning = list(rendering.named.items())[done]
        done += 1
        counts[symbol] = counts.get(symbol, 0) + 1
        if symbol not in found:
            digits = rendering.shown[symbol, value]
            found[symbol] = f"{rendering.text_of(meaning, digits)} = {number(value, digits)}"
    others = {symbol: f" (and {count - 1} like it)" if count > 1 else "" for symbol, count in counts.items()}
    return [(symbol, arithmetic + others[symbol]) for symbol, arithmetic in found.items()]


def source_text(label: str, value: float, meaning: str, digits: int) -> str:
    """`0.25  scores[query=3, key=1]  query “pizza”`: the number first, so that numbers stand under each other."""
    return f"{number(value, digits):>12}{_GLUE}{_GLUE}{label}" + (f"  {meaning}" if meaning else "")


def check_text(part: Arithmetic) -> str:
    """The arithmetic in float64, how far it is from the recorded number, and how far it may be."""
    evaluated = part.evaluated
    if evaluated is None:
        return ""
    exact = number(evaluated, 9)
    verdict = "differs by" if part.agrees else "DISAGREES by"
    share = "1e−5" if part.share == TOLERANCE else short(part.share)
    text = (
        f"in float64 {exact} · {verdict} {short(part.difference)}, allowed {share}·Σ|terms| = {short(part.tolerance)}"
    )
    if part.cancels:
        text += f"; beside Σ|terms| = {short(part.scale)} it is small, so that few of its digits are certain"
    return text


def _check(part: Arithmetic, width: int, depth: int) -> list[str]:
    return labelled("check", check_text(part), width, depth)


def step_text(step: Step) -> str:
    """One step of a path: how much of the number before came through this one."""
    share = "     " if step.share != step.share else f"{100 * step.share:4.0f} %"
    meaning = f"  {step.meaning}" if step.meaning else ""
    return f"{share}  {step.cell} = {number(step.value)}  {step.heading}{meaning}"
