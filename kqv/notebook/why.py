"""The views of why: a split part by part, and the pass with parts switched off in the view."""

from __future__ import annotations

from typing import Any

import traitlets

from kqv.errors import Error
from kqv.lab.sentence.whys import (
    Change,
    Question,
    changed_as_dict,
    score_as_dict,
    split_as_dict,
    tested_as_dicts,
    token_as_dict,
    with_changes,
)  # fmt: skip
from kqv.notebook.asking import Questions, jsonable
from kqv.notebook.view import View
from kqv.why.score import ScoreSplit
from kqv.why.token import TokenSplit
from kqv.why.why import Where, Why

MOST_TESTED = 16


class SplitView(View):
    """A split in a cell's output: its parts, the largest first."""

    split = traitlets.Dict().tag(sync=True)

    def __init__(self, split: ScoreSplit | TokenSplit, **choices: Any) -> None:
        found = score_as_dict(split) if isinstance(split, ScoreSplit) else token_as_dict(split)
        super().__init__(view="split", split=jsonable(found), **choices)


class WhyView(View):
    """Why, in a cell's output: what is asked for, split, with a switch for each part.

        view = why.widget(score="blocks.13.attention.scores[0,8,it,pizza]")
        view                        shows it
        view.changed                the pass with the parts that are switched off there

    What is asked for, as `kqv why` takes it: `score`, a cell; `strongest`, two words, for the head in which the first
    looks most at the second; else the next `token` after a word, by default the likeliest `after` the last. `against`:
    another key, or another token. Raises `Error` as `Why.score` and `Why.token`.
    """

    split = traitlets.Dict().tag(sync=True)
    switched = traitlets.Dict(default_value={"parts": [], "way": "without", "text": "", "hides": False}).tag(sync=True)

    def __init__(
        self, why: Why, *, score: str | None = None, strongest: tuple[str, str] | None = None,
        token: str | None = None, after: Where | None = None, against: Where | None = None, **choices: Any,
    ) -> None:  # fmt: skip
        if (score is not None) + (strongest is not None) + (token is not None or after is not None) > 1:
            raise Error("choose one: score, strongest, or token with after")
        self.why = why
        cell = score if strongest is None else why.strongest(*strongest)[0].cell
        self.question = Question(cell, after, token, against)
        super().__init__(view="why", split=jsonable(split_as_dict(why, self.question)), **choices)

    def own_choices(self) -> list[str]:
        """What can be chosen of it."""
        return ["score", "strongest", "token", "after", "against", *super().own_choices()]

    @property
    def changed(self) -> Why:
        """The pass with what is switched off in the view. Raises `Error` for what cannot be changed so."""
        chosen: dict[str, Any] = self.switched
        found = [Change(chosen["way"], part, chosen.get("text")) for part in chosen["parts"]]
        if chosen.get("hides") and self.split["of"] == "score":
            head = f"{self.split['module']}.{self.split['head']}"
            found.append(Change("hide", head, query=self.split["query"], key=self.split["key"]))
        return with_changes(self.why, found)

    def answering(self) -> Questions:
        """What it can be asked."""

        def changed(changes: list[Change]) -> dict[str, Any]:
            return changed_as_dict(self.why, self.question, changes)

        def tested(most: int) -> list[dict[str, Any]]:
            return tested_as_dicts(self.why, self.question, max(1, min(most, MOST_TESTED)))

        return {"changed": changed, "tested": tested}
