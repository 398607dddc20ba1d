"""From what a learner's function did on every try to one finding: what is wrong, and which typical mistake it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kqv.workshop.comparison import FLOOR, Differs, compare, parts
from kqv.workshop.encoding import Foreign, Oversized, decode
from kqv.workshop.exceptions import explain_raised
from kqv.workshop.exercise import Case, Function, Mistake
from kqv.workshop.findings import Finding, Verdict
from kqv.workshop.general import general_mistakes, likeness
from kqv.workshop.learner import Outcome, try_cases

_ALIKE = 1e-6  # relative; a learner may write a mistake's arithmetic in another order


def judge(function: Function, outcomes: Sequence[Outcome]) -> Verdict:
    """The verdict on a function from its outcomes, one for each of the function's tries."""
    expected = try_cases(function.reference, function.tries)
    findings = [
        _finding_of(function, case, outcome, decode(right["result"]))
        for case, outcome, right in zip(function.tries, outcomes, expected, strict=True)
    ]
    right = findings.count(None)
    first = _worst(findings)
    if first is None:
        return Verdict(function.call, len(findings), right, notes=_notes(outcomes))
    mistake = None if first.mistake else recognised(function, outcomes)
    if mistake is not None:
        first = replace(first, mistake=mistake.name, advice=mistake.advice)
    elif first.kind == "value" and not first.mistake:
        alike = _likeness(function, outcomes, expected)
        first = replace(first, details=(*filter(None, [alike]), *first.details))
    return Verdict(function.call, len(findings), right, first)


def _likeness(function: Function, outcomes: Sequence[Outcome], expected: Sequence[Outcome]) -> str:
    """What all numbers have in common with the right ones, in words; nothing where a try gave other shapes or none."""
    pairs = []
    for mine, right in zip(outcomes, expected, strict=True):
        if "raised" in mine:
            return ""
        try:
            both = [parts(function, decode(outcome["result"])) for outcome in (mine, right)]
            pairs += [(np.asarray(a.content, float), np.asarray(b.content, float)) for a, b in zip(*both, strict=True)]
        except (Differs, ValueError, TypeError):
            return ""
    return likeness(pairs) if all(a.shape == b.shape for a, b in pairs) else ""


def _worst(findings: Sequence[Finding | None]) -> Finding | None:
    """The first finding; changed inputs only where nothing else is wrong."""
    found = [finding for finding in findings if finding is not None]
    return next((finding for finding in found if finding.kind != "changed"), next(iter(found), None))


def _notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    warned = {text for outcome in outcomes for text in outcome["warned"] if "underflow" not in text}
    return tuple(f"NumPy warned: {text}; the result is correct anyway" for text in sorted(warned))


def _finding_of(function: Function, case: Case, outcome: Outcome, expected: Any) -> Finding | None:
    tried = f"tested with {case.title}"
    if "raised" in outcome:
        finding = explain_raised(outcome["raised"], case, function)
        return replace(finding, details=(*finding.details, tried))
    try:
        compare(function, case, decode(outcome["result"]), expected)
    except Differs as differs:
        return replace(differs.finding, details=(*differs.finding.details, tried))
    if outcome["changed"]:
        names = ", ".join(outcome["changed"])
        return Finding(
            "changed", f"{function.name} is right, but it changed its own input {names}",
            (f"Whoever called it still needs {names} as it was: w -= … and w[i] = … change the caller's array.", tried),
            "the inputs are changed in place", "make a new array: w = w - …, or work on w.copy()",
        )  # fmt: skip
    return None


def recognised(function: Function, outcomes: Sequence[Outcome]) -> Mistake | None:
    """The typical mistake that gives the same as these outcomes on every try, at least one of which gave something."""
    if not any("result" in outcome for outcome in outcomes):
        return None
    with np.errstate(all="ignore"):
        known = (*function.mistakes, *general_mistakes(function))
        made = [(mistake, try_cases(mistake.function, function.tries)) for mistake in known]
        right = try_cases(function.reference, function.tries)
    for matches in (_same, _same_or_right):
        for mistake, theirs in made:
            if matches is _same_or_right and mistake.whole:
                continue
            if all(matches(function, *each) for each in zip(outcomes, theirs, right, strict=True)):
                return mistake
    return None


def _same(function: Function, mine: Outcome, theirs: Outcome, right: Outcome) -> bool:
    if "raised" in mine or "raised" in theirs:
        return "raised" in mine and "raised" in theirs
    return alike(decode(mine["result"]), decode(theirs["result"]))


def _same_or_right(function: Function, mine: Outcome, theirs: Outcome, right: Outcome) -> bool:
    """Whether each array is as the mistake gives it or right: made in some layers, and not in others."""
    if "raised" in mine or "raised" in theirs:
        return "raised" in mine and "raised" in theirs
    try:
        every = [parts(function, decode(outcome["result"])) for outcome in (mine, theirs, right)]
        return all(
            alike(own.content, made.content) or alike(own.content, wanted.content)
            for own, made, wanted in zip(*every, strict=True)
        )
    except (Differs, ValueError):  # another structure, or another number of arrays
        return False


def alike(mine: Any, theirs: Any) -> bool:
    """Whether two results have the same structure, shapes and, but for rounding, numbers."""
    if isinstance(mine, Foreign | Oversized) or isinstance(theirs, Foreign | Oversized):
        return type(mine) is type(theirs) and bool(mine == theirs)
    if isinstance(mine, list | tuple) or isinstance(theirs, list | tuple):
        both = isinstance(mine, list | tuple) and isinstance(theirs, list | tuple)
        return both and len(mine) == len(theirs) and all(map(alike, mine, theirs))
    if np.shape(mine) != np.shape(theirs):
        return False
    return bool(np.allclose(mine, theirs, rtol=_ALIKE, atol=FLOOR, equal_nan=True))
