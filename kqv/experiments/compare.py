"""`kqv.compare`: a question, run and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.experiments.answer import Answer, results_of
from kqv.experiments.figures import plot_answer, plot_attentions
from kqv.experiments.folder import Folder
from kqv.experiments.parting import Parting, parting, trace_of
from kqv.experiments.question import Question, make_question, read_question
from kqv.experiments.running import Observer, run_question
from kqv.experiments.saved import SAVED
from kqv.systems.system import SYSTEMS, Watcher, system_named
from kqv.trace.trace import Trace
from kqv.training.loop import CHECKPOINT_SECONDS


def compare(
    what: str | Path | Question, *, vary: Mapping[str, Sequence[Any]] | None = None,
    recipe: str | Sequence[str] | None = None, data: str | None = None, seeds: int | None = None,
    steps: int | None = None, minutes: float | None = None, score: str | None = None, out: str | Path | None = None,
    device: str = "auto", observer: Observer | None = None, watcher: Watcher | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Answer:  # fmt: skip
    """Train the variants of a recipe with the same seeds, and say with an interval whether they differ.

        answer = kqv.compare("gpt", vary={"score": ["dot", "squared"]}, seeds=5, minutes=1)
        print(answer)
        answer.results[1].difference.mean

    `what`: a system ("digits", "gpt", "translate"), a saved question by name ("slow-learning"), as a file or as an
    object, or the folder of one that was asked before. `vary`: fields of the recipe with their values; the first is the
    baseline. `score`: what decides instead of the system's own. The same question in the same folder `out` (without
    it, one in `runs`) keeps what is finished. Raises `Error` as the command does; `Interrupted` after Ctrl-C, with
    everything saved.
    """
    names = [recipe] if isinstance(recipe, str) else list(recipe or [])
    asked: dict[str, Any] = {"vary": dict(vary or {}), "recipes": names, "data": data, "seeds": seeds, "steps": steps,
                             "minutes": minutes, "score": score}  # fmt: skip
    question, folder = ask(what, asked, None if out is None else Path(out))
    ran = run_question(question, folder, device=device, observer=observer, watcher=watcher,
                       checkpoint_seconds=checkpoint_seconds)  # fmt: skip
    return answer_of(ran, watcher)


def ask(what: str | Path | Question, asked: Mapping[str, Any], out: Path | None = None) -> tuple[Question, Path | None]:
    """The question that is meant, with what is asked otherwise (None and empty: nothing), and its folder.

    Raises `Error` for what is no system, no saved question, no file and no folder.
    """
    given = {name: value for name, value in asked.items() if value not in (None, {}, [])}
    if isinstance(what, Question):
        return _asked_otherwise(what, given), out
    name = str(what)
    if name in SYSTEMS:
        return make_question({"system": name, **given}), out
    if name in SAVED:
        return _asked_otherwise(SAVED[name](), given), out
    path = Path(what)
    if path.is_dir() and Folder(path).has_question:
        if out is not None and out != path:
            raise Error(f"{path} is the folder of a question; leave out --out, or give {path}/question.json")
        return _asked_otherwise(Folder(path).question, given), path
    if path.is_file():
        return _asked_otherwise(read_question(path), given), out
    raise Error(
        f"there is nothing to compare under the name {name!r}; give a system ({', '.join(SYSTEMS)}), a saved question "
        f"({', '.join(SAVED)}), its file, or the folder of one that was asked before"
    )


def _asked_otherwise(question: Question, given: Mapping[str, Any]) -> Question:
    content = question.model_dump(exclude_defaults=True)
    if "steps" in given:
        content.pop("minutes", None)
    if "minutes" in given:
        content.pop("steps", None)
    return make_question({**content, **given})


def answer_of(folder: Folder, watcher: Watcher | None = None, plot: Path | None = None) -> Answer:
    """The answer of a question whose runs are finished, with its figures drawn into its folder, and the learning curves
    also as `plot`.

    Raises `Error` where runs are missing, and for a score that the evaluation does not give.
    """
    watcher = watcher or Watcher()
    question, settled = folder.question, folder.settled()
    if settled is None:
        raise Error(f"nothing of {folder.path} is trained yet; start it: kqv compare {folder.path}")
    measure, results = results_of(folder, question, settled)
    untrained, _ = _partings(folder, question, watcher, trained=False)
    trained, traces = _partings(folder, question, watcher, trained=True)
    answer = Answer(question, folder.path, measure, settled.steps, tuple(results), untrained, trained)
    figures = plot_answer(answer, folder.path, plot)
    figures += plot_attentions(traces, folder.path, "Attention on the same text, with the first seed")
    answer = Answer(question, folder.path, measure, settled.steps, tuple(results), untrained, trained, tuple(figures))
    folder.keep_answer(answer.as_dict())
    return answer


def _partings(
    folder: Folder, question: Question, watcher: Watcher, trained: bool
) -> tuple[dict[str, Parting], dict[str, Trace]]:
    """Where each variant's trace parts from the baseline's, with the first seed; and the traces."""
    settled = folder.settled()
    assert settled is not None
    system, traces = system_named(question.system), {}
    for variant in settled.variants:
        run = folder.run(variant, 1) if trained else folder.untrained(variant)
        found = trace_of(system, run, watcher)
        if found is not None:
            traces[variant.label] = found
    baseline = settled.variants[0].label
    if baseline not in traces:
        return {}, traces
    found_partings = {
        label: parting(traces[baseline], trace, (baseline, label))
        for label, trace in traces.items()
        if label != baseline
    }
    return found_partings, traces
