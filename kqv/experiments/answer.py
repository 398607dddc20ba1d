"""The answer to a question: what its runs say, typed, in words and as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.experiments.folder import Folder, Outcome, Settled, recipe_of
from kqv.experiments.measures import Measure, Pairs, sentence
from kqv.experiments.pairing import Pairing, pairing
from kqv.experiments.parting import Parting
from kqv.experiments.question import Question, Variant
from kqv.experiments.statistics import Interval, paired_interval, spread, unpaired_interval
from kqv.systems.fields import shown
from kqv.systems.system import system_named
from kqv.viewed import Viewed


@dataclass(frozen=True)
class Result:
    """What the runs of one variant say.

    `scores`: by seed, None for one that diverged. `difference`: from the baseline over pairs of equal seeds, with its
    95 % interval; `unpaired`: the interval that the same scores give when seeds are not matched. `seconds`: a run's
    mean time. `notes`: what the system says of such a model; `sample`: what the first seed's model writes.
    """

    variant: Variant
    runs: tuple[Path, ...]
    outcomes: tuple[Outcome, ...]
    scores: tuple[float | None, ...]
    pairs: Pairs | None
    difference: Interval | None
    unpaired: Interval | None
    sentence: str
    parameters: int
    notes: tuple[str, ...]
    pairing: Pairing | None

    @property
    def label(self) -> str:
        """The variant's name."""
        return self.variant.label

    @property
    def known(self) -> list[float]:
        """The scores of seeds that were trained to the end."""
        return [score for score in self.scores if score is not None]

    @property
    def mean(self) -> float | None:
        """The mean score; None where no seed was trained to the end."""
        return statistics.fmean(self.known) if self.known else None

    @property
    def spread(self) -> float | None:
        """The scores' standard deviation over the seeds."""
        return spread(self.known)

    @property
    def seconds(self) -> float:
        """The mean time of a run."""
        return statistics.fmean(outcome.seconds for outcome in self.outcomes)

    @property
    def sample(self) -> str:
        """What the model of the first seed writes."""
        return self.outcomes[0].sample

    @property
    def diverged(self) -> dict[int, str]:
        """By seed, where the numbers of a run became infinite or NaN."""
        return {seed: outcome.diverged for seed, outcome in enumerate(self.outcomes, 1) if outcome.diverged}


@dataclass(frozen=True)
class Answer(Viewed):
    """What a comparison found; the first of the results is the baseline's.

    `untrained`, `trained`: by variant, where its trace parts from the baseline's with the first seed. `figures`: what
    was drawn.
    """

    question: Question
    folder: Path
    measure: Measure
    steps: int | None
    results: tuple[Result, ...]
    untrained: dict[str, Parting]
    trained: dict[str, Parting]
    figures: tuple[Path, ...] = ()

    @property
    def baseline(self) -> Result:
        """What the others are compared to."""
        return self.results[0]

    @property
    def sentences(self) -> list[str]:
        """The answer in words, a sentence for each variant."""
        return [result.sentence for result in self.results[1:]]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def as_dict(self) -> dict[str, Any]:
        """The answer for JSON."""
        return {
            "question": self.question.model_dump(mode="json", exclude_defaults=True), "folder": str(self.folder),
            "score": self.measure.name, "better": "lower" if self.measure.less_is_better else "higher",
            "seeds": self.question.seeds, "steps": self.steps, "baseline": self.baseline.label,
            "variants": [self._described(result) for result in self.results],
            "figures": [str(path) for path in self.figures],
        }  # fmt: skip

    def _described(self, result: Result) -> dict[str, Any]:
        found: dict[str, Any] = {
            "variant": result.label,
            "settings": {path: shown(value) for path, value in result.variant.settings.items()},
            "mean": result.mean, "spread": result.spread, "scores": list(result.scores), "seconds": result.seconds,
            "parameters": result.parameters, "runs": [str(path) for path in result.runs], "notes": list(result.notes),
            "sample": result.sample, "diverged": result.diverged,
            "other_scores": [outcome.scores for outcome in result.outcomes],
        }  # fmt: skip
        if result.pairs is None:
            return found
        return found | {
            "sentence": result.sentence, "difference": _interval(result.difference),
            "unpaired_difference": _interval(result.unpaired), "differences": list(result.pairs.differences),
            "unpaired_parameters": None if result.pairing is None else result.pairing.text(self.baseline.label),
            "parting": {"untrained": _parting(self.untrained.get(result.label)),
                        "trained": _parting(self.trained.get(result.label))},
        }  # fmt: skip


def _interval(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _parting(found: Parting | None) -> dict[str, Any] | None:
    if found is None:
        return None
    distances = {
        distance.tensor: distance.relative if math.isfinite(distance.relative) else None for distance in found.distances
    }
    return {"tensor": found.tensor, "formulas": list(found.formulas), "only_in": found.only_in, "distances": distances}


def results_of(folder: Folder, question: Question, settled: Settled) -> tuple[Measure, list[Result]]:
    """What the finished runs say, by the question's score or the system's own.

    Raises `Error` for a score that the evaluation does not give, and where runs are missing.
    """
    seeds = range(1, question.seeds + 1)
    outcomes = {variant.label: [folder.outcome(variant, seed) for seed in seeds] for variant in settled.variants}
    missing = sum(outcome is None for found in outcomes.values() for outcome in found)
    if missing:
        raise Error(f"{missing} runs in {folder.path} are not finished; finish them: kqv compare {folder.path}")
    whole = {label: tuple(one for one in found if one is not None) for label, found in outcomes.items()}
    measure = measure_of(question, settled, whole)
    scores = {
        label: tuple(None if one.diverged else one.scores[measure.name] for one in found)
        for label, found in whole.items()
    }
    baseline = settled.variants[0]
    results = []
    for variant in settled.variants:
        pairs = None if variant is baseline else _pairs(scores[baseline.label], scores[variant.label])
        results.append(_result(folder, settled, variant, whole[variant.label], scores[variant.label], pairs, measure))
    return measure, results


def measure_of(question: Question, settled: Settled, outcomes: Mapping[str, Sequence[Outcome]]) -> Measure:
    """What decides: the question's score or the system's own; `Error` for one that the evaluation does not give."""
    known = next((one.scores for found in outcomes.values() for one in found if one.scores), {})
    system = system_named(question.system)
    name = question.score or system.score(recipe_of(settled, settled.variants[0], system))
    if known and name not in known:
        raise Error(f"the evaluation gives no score {name!r}; choose one of: {', '.join(known)}")
    return Measure(name)


def _pairs(baseline: tuple[float | None, ...], variant: tuple[float | None, ...]) -> Pairs:
    found = [(x, y) for x, y in zip(baseline, variant, strict=True) if x is not None and y is not None]
    return Pairs(tuple(x for x, _ in found), tuple(y for _, y in found))


def _result(
    folder: Folder, settled: Settled, variant: Variant, outcomes: tuple[Outcome, ...], scores: tuple[float | None, ...],
    pairs: Pairs | None, measure: Measure,
) -> Result:  # fmt: skip
    baseline, seen = settled.variants[0], settled.seen[variant.slug]
    interval = unpaired = paired = None
    said = ""
    if pairs is not None:
        grain = measure.grain(max(outcome.examples for outcome in outcomes))
        interval = paired_interval(pairs.baseline, pairs.variant, grain)
        unpaired = unpaired_interval(pairs.baseline, pairs.variant)
        said = _said(variant, baseline, measure, pairs, interval, outcomes)
        same_batches = seen.batch == settled.seen[baseline.slug].batch
        paired = pairing(folder.untrained(baseline), folder.untrained(variant), same_batches)
    runs = tuple(folder.run(variant, seed).path for seed in range(1, len(outcomes) + 1))
    return Result(variant, runs, outcomes, scores, pairs, interval, unpaired, said, seen.parameters, seen.notes, paired)


def _said(
    variant: Variant, baseline: Variant, measure: Measure, pairs: Pairs, interval: Interval | None,
    outcomes: tuple[Outcome, ...],
) -> str:  # fmt: skip
    """The sentence; with how many seeds diverged, where some did."""
    diverged = sum(bool(outcome.diverged) for outcome in outcomes)
    if not diverged:
        return sentence(variant.label, baseline.label, measure, pairs, interval)
    begun = f"{variant.label} diverged with {diverged} of {len(outcomes)} seeds."
    rest = sentence(variant.label, baseline.label, measure, pairs, interval) if pairs.differences else ""
    return f"{begun} {rest}".rstrip()
