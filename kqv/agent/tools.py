"""The tools: what `kqv runs`, `trace`, `why` and `compare` say with `--json`, asked for by an agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kqv.agent.reach import Reach
from kqv.errors import Error
from kqv.experiments.folder import Folder
from kqv.systems.system import Kind, TraceAsked, Watcher, kind_named
from kqv.trace.trace import Trace
from kqv.trace.views.asked import asked_of
from kqv.training.described import describe_run
from kqv.why.why import Why

MOST_TENSORS = 100
Answer = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    """Each method is a tool; its description is what an agent reads."""

    reach: Reach

    def all(self) -> list[Callable[..., Answer]]:
        """The tools."""
        return [self.runs, self.trace, self.cell, self.why, self.comparison]

    def runs(self) -> Answer:
        """List what was trained here, the most recent first: each run's system, recipe, data, steps, state and
        validation scores; and the further models that can be asked about."""
        return {"runs": [describe_run(run) for run in self.reach.list()], "models": list(self.reach.models)}

    def trace(
        self, model: str, input: str | None = None, tensors: str = "", word: str | None = None,
        most: int = MOST_TENSORS,
    ) -> Answer:  # fmt: skip
        """Every tensor of one pass of a model, forward, backward and update: its name, dimensions, formula, line of
        code and a summary of its numbers.

        model: a run's name, `latest`, or a model from `runs`. input: a text; of a digit network the number of a test
        picture or a picture file; of an adder 12+34 (default: the model's own). tensors: only those whose name begins
        so, such as `blocks.0.attention`. word: tell instead what this word of the text attends to, by block and head.
        most: how many tensors are told.
        """
        found = asked_of(self._traced(model, input), [], word)
        if "tensors" in found:
            chosen = [one for one in found["tensors"] if one["name"].startswith(tensors)]
            if not chosen:
                raise Error(f"no tensor's name begins with {tensors!r}; leave it out to see all names")
            found = {"tensors": chosen[: max(1, most)], "of": len(chosen)}
        return {"model": model} | found

    def cell(self, model: str, cells: list[str], input: str | None = None) -> Answer:
        """Any number of a pass with the arithmetic that made it, from the numbers that went into it.

        cells: such as `layers.1.z[0,7]`, `blocks.0.attention.scores[0,1,it,pizza]` (words may stand for positions),
        `grad:layers.0.weight[7,30]` (how the cost depends on it) or `update:layers.0.weight[7,30]`. model, input: as
        in `trace`.
        """
        return {"model": model} | asked_of(self._traced(model, input, *cells), cells, None)

    def why(
        self, model: str, text: str, score: str | None = None, strongest: list[str] | None = None,
        token: str | None = None, after: str | None = None, against: str | None = None,
        without: list[str] | None = None,
    ) -> Answer:  # fmt: skip
        """Why a head looks where it looks, or why a token follows: the score or the logit split exactly into what each
        part of the model put into it.

        text: what the model reads. score: a cell such as `blocks.1.attention.scores[0,2,it,pizza]`. strongest: two
        words [query, key]; the heads in which the first looks at the second most, and the split of the first of them.
        token: a next token (default: the likeliest), after: a word of the text (default: the last), against: rather
        than this other one. without: parts that give 0, such as `block 5 head 3`; then what that changes is told.
        """
        source = self.reach.source(model)
        kind = kind_named(source.system)
        if kind.why is None:
            raise Error(f"{model} is a {kind.name} model; why is for models that read text with attention")
        asked, found = kind.why(kind.load(source, False), text, None), {"model": model}
        if strongest is not None:
            if len(strongest) != 2:
                raise Error("strongest takes two words, the one that looks and the one it looks at")
            looked = asked.strongest(*strongest)
            found["strongest"], score = [row.as_dict() for row in looked], looked[0].cell  # type: ignore[assignment]
        if without:
            return found | {"changed": _changed(asked, without, score, token, after, against)}
        split = asked.token(token, after, against) if score is None else asked.score(score, against)
        return found | {"split": split.as_dict()}

    def comparison(self, folder: str) -> Answer:
        """The answer to a what-if question that was asked with `kqv compare`: each variant's scores over the seeds, and
        whether they differ, with intervals. folder: its name among the runs."""
        found = Folder(self.reach.folder(folder)).answer
        if found is None:
            raise Error(f"{folder} has no answer yet: it is a run, or its training goes on; see kqv compare")
        return found

    def _traced(self, model: str, text: str | None, *cells: str) -> Trace:
        source = self.reach.source(model)
        kind: Kind = kind_named(source.system)
        return kind.trace(source, TraceAsked(self.reach.input(text), cells=cells), Watcher()).trace


def _changed(
    asked: Why, without: list[str], score: str | None, token: str | None, after: str | None, against: str | None
) -> Answer:
    """The numbers before and after some parts were taken out."""
    changed = asked
    for part in without:
        changed = changed.without(part)

    def measured(why: Why) -> dict[str, float]:
        if score is not None:
            return why.score_and_weight(score, against)
        other = None if against is None else asked.word(against, after)
        return why.logit_and_probability(asked.word(token, after), after, other)

    return {"how": changed.words, "before": measured(asked), "after": measured(changed)}
