"""The questions of a folder: what each asks, how far it is, and what its runs say."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.experiments.answer import measure_of
from kqv.experiments.curves import curves_of
from kqv.experiments.figures import panels_of, parts_of
from kqv.experiments.folder import Folder, Outcome, Settled
from kqv.experiments.measures import Measure
from kqv.experiments.question import Question, Variant
from kqv.lab.training.children import Child
from kqv.lab.training.measurements import newest
from kqv.plots.curves import Part
from kqv.systems.fields import shown
from kqv.training.run import CONFIG, METRICS, Run


def summary(folder: Folder, child: Child | None = None) -> dict[str, Any]:
    """A question in short: what is asked, and how far it is."""
    found: dict[str, Any] = {"name": folder.path.name, "path": str(folder.path), "problem": "", "done": 0}
    try:
        question, settled = folder.question, folder.settled()
        found |= _asked(question, settled)
        if settled is not None:
            known = _outcomes(folder, question, settled)
            found["done"] = sum(outcome is not None for each in known.values() for outcome in each)
        answer = folder.answer
    except Error as failure:
        return found | {"state": "damaged", "problem": str(failure)}
    return found | _standing(folder, found, answer, child)


def _asked(question: Question, settled: Settled | None) -> dict[str, Any]:
    labels = [] if settled is None else [variant.label for variant in settled.variants]
    named = [*question.variants, *(shown(value) for values in question.vary.values() for value in values)]
    return {
        "question": question.question, "explanation": question.explanation, "system": question.system,
        "data": question.data, "recipes": list(question.recipes), "seeds": question.seeds,
        "vary": {field: [shown(value) for value in values] for field, values in question.vary.items()},
        "variants": labels or named, "minutes": question.minutes,
        "steps": question.steps if settled is None else settled.steps,
        "runs": question.seeds * len(labels or named),
    }  # fmt: skip


def _standing(
    folder: Folder, found: dict[str, Any], answer: dict[str, Any] | None, child: Child | None
) -> dict[str, Any]:
    """Its state, and which run is trained now."""
    now = _run_now(folder)
    is_over = found["done"] == found["runs"] and found["runs"] > 0
    is_ours = child is not None and child.is_alive
    if is_ours or now is not None:
        is_stopping = child is not None and child.asked_to_stop and is_ours
        return {"state": "stopping" if is_stopping else "running", "now": now, "ours": is_ours}
    if is_over and answer is not None and answer.get("seeds") == found["seeds"]:
        return {"state": "finished", "now": None, "ours": False}
    if child is not None and child.failed:
        return {"state": "died", "now": None, "ours": False, "problem": child.last_words()}
    return {"state": "stopped", "now": None, "ours": False}


def _run_now(folder: Folder) -> dict[str, Any] | None:
    """The run that is trained now, and how far it is."""
    for path in sorted(folder.path.iterdir(), key=lambda path: path.name):
        run = Run(path)
        if (path / CONFIG).is_file() and run.is_training:
            steps = run.recipe.training.steps or 0
            return {"run": path.name, "step": newest(path / METRICS).step, "steps": steps}
    return None


def _outcomes(folder: Folder, question: Question, settled: Settled) -> dict[str, list[Outcome | None]]:
    """What is known of each variant, seed by seed."""
    return {
        variant.label: [folder.outcome(variant, seed) for seed in range(1, question.seeds + 1)]
        for variant in settled.variants
    }


def described(folder: Folder, child: Child | None = None) -> dict[str, Any]:
    """All that is known of a question: its table as far as it goes, the answer where there is one, and which curves
    there are."""
    found = summary(folder, child)
    settled = None if found["state"] == "damaged" else folder.settled()
    if settled is None:
        return found | {"rows": [], "parts": []}
    outcomes = _outcomes(folder, folder.question, settled)
    measure = _measure(folder.question, settled, outcomes)
    answer = folder.answer if found["state"] == "finished" else None
    answered = {} if answer is None else {one["variant"]: _shortened(one) for one in answer["variants"]}
    rows = [
        _row(settled, variant, outcomes[variant.label]) | answered.get(variant.label, {})
        for variant in settled.variants
    ]
    return found | {
        "measure": {
            "name": measure.name, "less_is_better": measure.less_is_better, "factor": measure.factor,
            "unit": measure.unit, "title": measure.title,
        },
        "rows": rows, "baseline": settled.variants[0].label, "device": settled.device,
        "parts": [_described(part) for part in parts(folder)], "command": f"kqv compare {folder.path}",
    }  # fmt: skip


def _shortened(variant: dict[str, Any]) -> dict[str, Any]:
    """What the answer says of a variant, without how far every tensor of its traces lies from the baseline's."""
    partings = {
        when: found and {name: value for name, value in found.items() if name != "distances"}
        for when, found in variant.get("parting", {}).items()
    }
    return {**variant, "parting": partings}


def _measure(question: Question, settled: Settled, outcomes: dict[str, list[Outcome | None]]) -> Measure:
    known = {label: tuple(one for one in found if one is not None) for label, found in outcomes.items()}
    return measure_of(question, settled, known)


def _row(settled: Settled, variant: Variant, outcomes: list[Outcome | None]) -> dict[str, Any]:
    """What is known of a variant before there is an answer."""
    seen = settled.seen.get(variant.slug)
    known = [one for one in outcomes if one is not None]
    return {
        "variant": variant.label, "slug": variant.slug,
        "settings": {path: shown(value) for path, value in variant.settings.items()},
        "other_scores": [None if one is None or one.diverged else one.scores for one in outcomes],
        "diverged": {str(seed): one.diverged for seed, one in enumerate(outcomes, 1) if one and one.diverged},
        "seconds": statistics.fmean(one.seconds for one in known) if known else None,
        "sample": next((one.sample for one in known if one.sample), ""),
        "parameters": None if seen is None else seen.parameters, "notes": [] if seen is None else list(seen.notes),
    }  # fmt: skip


def parts(folder: Folder) -> list[Part]:
    """The learning curves as `kqv compare` draws them, of the runs that have begun: means over the seeds, and bands."""
    question, settled = folder.question, folder.settled()
    if settled is None:
        return []
    variants = []
    for variant in settled.variants:
        runs = [folder.run(variant, seed) for seed in range(1, question.seeds + 1)]
        begun = [
            curves_of(run, variant.label)
            for run in runs
            if (run.path / CONFIG).is_file() and any(run.each_measurement())
        ]
        if begun:
            variants.append((variant.label, begun))
    measure = _measure(question, settled, _outcomes(folder, question, settled))
    return parts_of(panels_of(question, measure), variants) if variants else []


def _described(part: Part) -> dict[str, Any]:
    lines = [
        {"label": line.label, "colour": line.colour, "dash": line.dash, "band": line.band is not None}
        for line in part.lines
    ]
    return {"title": part.title, "unit": part.unit, "logarithmic": part.logarithmic, "lines": lines}


def is_question(folder: Path, name: str) -> bool:
    """Whether a folder inside of this one, and no other path, holds a question."""
    return name not in ("", ".", "..") and Path(name).name == name and Folder(folder / name).has_question
