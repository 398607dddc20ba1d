"""`kqv why`: a score or a logit as the sum that it is, and what becomes of it where a part of the model is changed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Json, ModelName
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.why.looked import Looked
    from kqv.why.score import ScoreSplit
    from kqv.why.tested import Tested
    from kqv.why.token import TokenSplit
    from kqv.why.why import Why

Text = Annotated[str, typer.Argument(metavar="TEXT", help="What the model reads.")]
Score = Annotated[
    str | None,
    typer.Option(
        metavar="CELL", help="Split a score: blocks.1.attention.scores[0,2,4,1], or with words [0,2,it,pizza]."
    ),
]
Strongest = Annotated[
    str | None,
    typer.Option(metavar="QUERY,KEY", help="Find the heads in which one word looks at the other, and split the first."),
]
Token = Annotated[
    str | None, typer.Option(metavar="WORD", help="Split the logit of this next token (default: the likeliest).")
]
After = Annotated[
    str | None, typer.Option(metavar="WORD", help="The token after this word of the text (default: after the last).")
]
Against = Annotated[
    str | None, typer.Option(metavar="WORD", help="Rather than this: another next token, or another key of the score.")
]
Label = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Translator: the translation that is read (default: its own).")
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="PART", help="Let a part give 0: 'block 5 head 3', 'block 5 feed-forward'; may be repeated."),
]
Mean = Annotated[
    list[str] | None, typer.Option(metavar="PART", help="Let a part give every position its mean; may be repeated.")
]
Replace = Annotated[
    list[str] | None,
    typer.Option(metavar="PART", help="Let a part give what it gives in another text, --by TEXT; may be repeated."),
]
By = Annotated[str | None, typer.Option(metavar="TEXT", help="The text of --replace.")]
At = Annotated[
    str | None, typer.Option(metavar="WORD", help="Change parts at this word alone (default: at every position).")
]
Hide = Annotated[
    list[str] | None, typer.Option(metavar="QUERY,KEY", help="Let one word not see the other; may be repeated.")
]
In = Annotated[
    str | None, typer.Option("--in", metavar="PART", help="Hide it in this head or attention alone (default: in all).")
]
Test = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Take each of the N largest parts out by itself; what the split says is beside it.", min=1
    ),
]
Terms = Annotated[int, typer.Option(help="How many of the largest terms are listed.", min=1)]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw the split: part at the query × part at the key, or bars.")
]


@dataclass(frozen=True)
class Changes:
    """How the pass is changed, as it was asked for."""

    without: tuple[str, ...]
    mean: tuple[str, ...]
    replace: tuple[str, ...]
    by: str | None
    at: str | None
    hide: tuple[tuple[str, str], ...]
    inside: str | None

    def __bool__(self) -> bool:
        return bool(self.without or self.mean or self.replace or self.hide)

    def check(self) -> None:
        """Raise `Error` for options that lack what they belong to."""
        if bool(self.replace) != (self.by is not None):
            raise Error("--replace PART and --by TEXT belong together: whose output is taken, and from which text")
        if self.at is not None and not (self.without or self.mean or self.replace):
            raise Error("--at says where a part is changed; say which part: --without, --mean or --replace PART")
        if self.inside is not None and not self.hide:
            raise Error("--in says where a key is hidden; say which: --hide QUERY,KEY")

    def of(self, why: Why) -> Why:
        """The pass with all of them."""
        for part in self.without:
            why = why.without(part, self.at)
        for part in self.mean:
            why = why.mean(part, self.at)
        for part in self.replace:
            why = why.taken(part, self.by or "", self.at)
        for query, key in self.hide:
            why = why.hidden(query, key, self.inside)
        return why


def why(
    model: ModelName, text: Text, score: Score = None, strongest: Strongest = None, token: Token = None,
    after: After = None, against: Against = None, label: Label = None, without: Without = None, mean: Mean = None,
    replace: Replace = None, by: By = None, at: At = None, hide: Hide = None, inside: In = None, test: Test = None,
    terms: Terms = 10, plot: Plot = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Split an attention score or a token's logit into what each part of the model put into it, and test it: run the
    model with a part changed, and see what depends on that."""
    from kqv.cli.preparing import TerminalWatcher
    from kqv.plots.figures import check_ending
    from kqv.systems.source import find_model
    from kqv.systems.system import kind_named

    changes = Changes(
        tuple(without or ()), tuple(mean or ()), tuple(replace or ()), by, at,
        tuple(pair_of(one, "--hide") for one in hide or ()), inside,
    )  # fmt: skip
    changes.check()
    if changes and test is not None:
        raise Error("--test changes one part at a time; leave out the other changes")
    if (score is not None) + (strongest is not None) + (token is not None or after is not None) > 1:
        raise Error("choose one: --score CELL, --strongest QUERY,KEY or --token WORD (with --after WORD)")
    if plot is not None:
        check_ending(plot)
    with TerminalWatcher() as watcher:
        source = find_model(model, progress=watcher.downloading)
        kind = kind_named(source.system)
        if kind.why is None:
            raise Error(f"{source.name} is a {kind.name} model; why is for models that read text with attention")
        asked = kind.why(kind.load(source, False), text, label)
    looked = None if strongest is None else asked.strongest(*pair_of(strongest, "--strongest"))
    cell = score if looked is None else looked[0].cell
    question = Question(asked, cell, token, after, against)
    command = ["kqv", "why", source.name, text, *([] if label is None else ["--label", label])]
    Answer(question, looked, changes, test, terms, plot, shlex.join(command)).give(source.name, as_json)


def pair_of(text: str, option: str) -> tuple[str, str]:
    """The two words of `it,pizza`; `Error` for another number of words."""
    words = [word.strip() for word in text.split(",")]
    if len(words) != 2 or not all(words):
        raise Error(f"{option} takes two words, the one that looks and the one it looks at: it,pizza; got {text!r}")
    return words[0], words[1]


@dataclass(frozen=True)
class Question:
    """What is asked of a pass: a score's cell, or else a token."""

    why: Why
    cell: str | None
    token: str | None
    after: str | None
    against: str | None

    def split(self) -> ScoreSplit | TokenSplit:
        """The split of what is asked for."""
        if self.cell is not None:
            return self.why.score(self.cell, self.against)
        return self.why.token(self.token, self.after, self.against)

    def measures(self, why: Why) -> dict[str, float]:
        """What is asked for, as numbers of a pass, which may be a changed one."""
        if self.cell is not None:
            return why.score_and_weight(self.cell, self.against)
        against = None if self.against is None else self.why.word(self.against, self.after)
        return why.logit_and_probability(self.why.word(self.token, self.after), self.after, against)

    def tested(self, most: int) -> list[Tested]:
        """The largest parts, each taken out by itself."""
        if self.cell is not None:
            return self.why.test_score(self.cell, self.against, most)
        return self.why.test_token(self.token, self.after, self.against, most)

    @property
    def name(self) -> str:
        """What is asked for: the cell, or the token between quotation marks."""
        return self.cell if self.cell is not None else f"“{self.why.word(self.token, self.after).text}”"


@dataclass(frozen=True)
class Answer:
    """What is printed, and the figure."""

    question: Question
    looked: list[Looked] | None
    changes: Changes
    test: int | None
    terms: int
    plot: Path | None
    command: str

    def give(self, model: str, as_json: bool) -> None:
        """As text or as one JSON object; with a change what it changes, else the split."""
        found: dict[str, Any] = {"model": model}
        if self.looked is not None:
            found["strongest"] = [row.as_dict() for row in self.looked]
            if not as_json:
                self._say_looked(self.looked)
        if self.changes:
            found["changed"] = self._changed(as_json)
        if not self.changes or self.plot is not None:
            split = self.question.split()
            found["split"] = split.as_dict()
            if self.plot is not None:
                self._draw(split, self.plot)
            if not as_json and not self.changes:
                self._say(split)
        if self.test is not None:
            found["tested"] = self._tested(self.test, as_json)
        if as_json:
            print_json(found)

    def _say(self, split: ScoreSplit | TokenSplit) -> None:
        from kqv.cli.console import console

        console.print(split.text(console.width, self.terms), markup=False, soft_wrap=True)
        if self.test is None:
            console.print(f"\nfor the largest parts: {self.command} {self._asked(split)} --test 8", markup=False)

    def _asked(self, split: ScoreSplit | TokenSplit) -> str:
        """The options that ask for this split."""
        question = self.question
        named = {"score": question.cell} if question.cell is not None else {"token": getattr(split, "token", "")}
        named |= {"after": question.after, "against": question.against}
        return " ".join(f"--{name} {shlex.quote(value)}" for name, value in named.items() if value is not None)

    def _say_looked(self, looked: list[Looked]) -> None:
        from kqv.cli.console import console
        from kqv.why.text import looked_text

        console.print(looked_text(looked, len(looked) if self.terms > len(looked) else self.terms) + "\n", markup=False)

    def _changed(self, as_json: bool) -> dict[str, Any]:
        """The numbers before and after."""
        from kqv.cli.console import console
        from kqv.why.text import changed_text

        changed = self.changes.of(self.question.why)
        before, later = self.question.measures(self.question.why), self.question.measures(changed)
        if not as_json:
            shown = changed_text(self.question.name, changed.words, before, later, console.width)
            console.print(shown, markup=False, soft_wrap=True)
        return {"how": changed.words, "before": before, "after": later}

    def _tested(self, most: int, as_json: bool) -> list[dict[str, Any]]:
        from kqv.cli.console import console
        from kqv.why.text import tested_text

        rows = self.question.tested(most)
        if not as_json:
            console.print("\n" + tested_text(rows), markup=False, soft_wrap=True)
        return [row.as_dict() for row in rows]

    def _draw(self, split: ScoreSplit | TokenSplit, plot: Path) -> None:
        from kqv.cli.console import notices
        from kqv.plots.why import plot_split

        plot_split(split, plot)
        notices.print(f"figure written to {plot}", markup=False)
