"""`Why`: one pass of a model, its scores and logits split into what made them, and the pass with a part changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from kqv.errors import Error, TraceError
from kqv.trace.cells import Cell
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attentions
from kqv.trace.views.words import find_word, readable
from kqv.viewed import Viewed
from kqv.why.changes import At, Change, Hidden, Pair, averaged, taken_from, without
from kqv.why.looked import Looked
from kqv.why.parts import Part
from kqv.why.passage import Passage
from kqv.why.score import ScoreSplit
from kqv.why.score_parts import asked_score, split_score
from kqv.why.targets import Target, find_target, targets_of
from kqv.why.tested import Tested
from kqv.why.token import TokenSplit, Word, logits_at, split_token

Where = str | int
"""A word of a text, of several occurrences the last or by number (`it#1`), or the position where it stands."""


class Why(Viewed):
    """One pass of a model, and why its numbers are what they are.

        why = model.why("The pizza came out of the oven and it tasted good")
        print(why.strongest("it", "pizza")[0].cell)
        print(why.score("blocks.13.attention.scores[0,8,it,pizza]"))      a sum of parts at the query × parts at the key
        print(why.token("good", after="tasted"))                          a sum of what each part wrote
        why.without("block 5 feed-forward").token("good", after="tasted") the same in a pass without that part

    A split is a sum, not a cause; a change says what depends on what. Each change gives another `Why`, of the pass with
    that change and those before it.
    """

    def __init__(self, passage: Passage, changes: Sequence[Change] = ()) -> None:
        self.passage, self.changes = passage, tuple(changes)

    def __repr__(self) -> str:
        count = self.passage.inputs[0].shape[-1]
        return f"<Why of {type(self.passage.model).__name__} on {count} tokens{self.words and f', {self.words}'}>"

    @property
    def words(self) -> str:
        """What is changed: `without block 5 head 3`; `""` for the pass as it is."""
        return ", ".join(change.words for change in self.changes)

    @cached_property
    def trace(self) -> Trace:
        """The trace of the pass."""
        with ExitStack() as stack:
            for change in self.changes:
                stack.enter_context(change.applied())
            return self.passage.traced()

    def parts(self) -> list[str]:
        """The parts that can be changed, in words."""
        return [target.part.words for target in targets_of(self.passage.model)]

    def score(self, cell: str, against: Where | None = None) -> ScoreSplit:
        """An attention score, split into part at the query × part at the key; words stand for positions.

        `against`: a word whose score with the same query is taken off, to see why the head looks there rather than at
        that word.

        Raises `TraceError` for a cell that does not exist, `Error` for one that is no score, and for a score that is
        not linear in query and key.
        """
        read = self.trace.read(cell)
        if against is None:
            return split_score(self.trace, read)
        words = self.passage.words(cell.rpartition(".")[0], "key")
        return split_score(self.trace, read, _position(words, against))

    def score_and_weight(self, cell: str, against: Where | None = None) -> dict[str, float]:
        """The score at a cell, of any kind, and the weight that it became; less those of another key."""
        read = self.trace.read(cell)
        found = self._score_and_weight(read)
        if against is None:
            return found
        words = self.passage.words(read.name.rpartition(".")[0], "key")
        other = self._score_and_weight(replace(read, index=(*read.index[:-1], _position(words, against))))
        return {name: found[name] - other[name] for name in found}

    def _score_and_weight(self, read: Cell) -> dict[str, float]:
        asked = asked_score(self.trace, read)
        return {"score": asked.value, "weight": asked.weight}

    def logit_and_probability(
        self, token: Word, after: Where | None = None, against: Word | None = None
    ) -> dict[str, float]:
        """A token's logit after a word, and its probability; with `against` the difference of two logits."""
        logits = logits_at(self.trace, self._after(after))
        value = float(logits[token.id]) - (0.0 if against is None else float(logits[against.id]))
        return {"logit": value, "probability": float(torch.softmax(logits, -1)[token.id])}

    def test_score(self, cell: str, against: Where | None = None, most: int = 8) -> list[Tested]:
        """The parts with the largest terms in a score: what the split says of each, and the score of the pass without
        it at any position. Raises `Error` as `score`."""

        def measured(why: Why) -> float:
            return why.score_and_weight(cell, against)["score"]

        return self._tested(self.score(cell, against).of_part, measured, most)

    def test_token(
        self, word: str | Word | None = None, after: Where | None = None, against: str | Word | None = None,
        most: int = 8,
    ) -> list[Tested]:  # fmt: skip
        """The parts that wrote most towards a token: what the split says of each, and the logit of the pass without it
        at any position. Raises `Error` as `token`."""
        token, other = self.word(word, after), None if against is None else self.word(against, after)
        split = self.token(word, after, against)

        def measured(why: Why) -> float:
            return why.logit_and_probability(token, after, other)["logit"]

        return self._tested(split.largest(len(split.parts)), measured, most)

    def _tested(self, parts: list[tuple[Part, float]], measured: Callable[[Why], float], most: int) -> list[Tested]:
        known = {target.part.name: target for target in targets_of(self.passage.model)}
        chosen = [(part, value) for part, value in parts if part.name in known][:most]
        before = measured(self)
        return [
            Tested(known[part.name].part, value, before, measured(self.with_change(without(known[part.name]))))
            for part, value in chosen
        ]

    def strongest(self, query: Where, key: Where) -> list[Looked]:
        """Every head in which the query can see the key, by weight, the strongest first.

        Raises `TraceError` where the words do not stand in the texts of any attention.
        """
        found = [
            Looked(
                one.module, head, at, to, float(one.weights[head, at, to]), f"{one.module}.scores[0,{head},{at},{to}]"
            )
            for one, at, to in self._between(query, key)
            for head in range(one.heads)
        ]
        return sorted(found, key=lambda row: -row.weight)

    def _between(self, query: Where, key: Where) -> list[tuple[Any, int, int]]:
        """The attentions in which both words stand, with their positions."""
        failure, found = None, []
        for one in attentions(self.trace):
            try:
                found.append((one, _position(one.queries, query), _position(one.keys, key)))
            except TraceError as missing:
                failure = failure or missing
        if not found:
            raise failure or TraceError("the model has no attention whose weights were recorded")
        return found

    def token(
        self, word: str | Word | None = None, after: Where | None = None, against: str | Word | None = None
    ) -> TokenSplit:
        """The logit of a token after a word of the text (by default the last), split into what each part wrote.

        Without a `word` the likeliest token; with `against` the difference to that token's logit. Of several tokens
        that read alike, such as with and without a space, the likelier is meant. Raises `Error` for a word that is no
        token, and for a model that predicts none.
        """
        position = self._after(after)
        words = self.passage.words("", "position")
        chosen, other = self.word(word, after), None if against is None else self.word(against, after)
        return split_token(self.trace, position, readable(words[position]), chosen, other)

    def _after(self, word: Where | None) -> int:
        words = self.passage.words("", "position")
        return len(words) - 1 if word is None else _position(words, word)

    def word(self, word: str | Word | None = None, after: Where | None = None) -> Word:
        """The token of the vocabulary that a word means, as in `token`."""
        if isinstance(word, Word):
            return word
        logits, vocabulary = logits_at(self.trace, self._after(after)), self.passage.vocabulary
        assert vocabulary is not None
        if word is None:
            best = int(logits.argmax())
            return Word(best, readable(vocabulary.token_text(best)))
        texts = self._token_texts
        read_alike = [token for token, text in enumerate(texts) if text.strip() == word.strip()]
        exactly = [token for token in read_alike if texts[token] == word and word != word.strip()]
        if not read_alike:
            raise Error(
                f"{word!r} is not one token of the vocabulary, so it has no logit; give its beginning, as far as that "
                f"is a token. The likeliest here is {texts[int(logits.argmax())]!r}"
            )
        chosen = max(exactly or read_alike, key=lambda token: float(logits[token]))
        return Word(chosen, readable(texts[chosen]))

    @cached_property
    def _token_texts(self) -> list[str]:
        vocabulary = self.passage.vocabulary
        return [] if vocabulary is None else [vocabulary.token_text(token) for token in range(vocabulary.size)]

    def without(self, part: str, at: str | None = None) -> Why:
        """The pass with a part's output replaced by zero; `at`: at this word alone.

        Raises `Error` for a part that does not exist, `TraceError` for a word that does not.
        """
        target = find_target(self.passage.model, part)
        return self.with_change(without(target, self._at(target, at)))

    def mean(self, part: str, at: str | None = None) -> Why:
        """The pass with a part's output replaced by its mean over the positions of the text."""
        target = find_target(self.passage.model, part)
        return self.with_change(averaged(target, self._at(target, at)))

    def taken(self, part: str, text: str, at: str | None = None) -> Why:
        """The pass with a part's output as it is in another text, position by position."""
        target = find_target(self.passage.model, part)
        return self.with_change(taken_from(target, self.passage.another(text), text, self._at(target, at)))

    def token_of(self, token: int) -> Word:
        """A token of the vocabulary by its id. Raises `Error` where it has none."""
        vocabulary = self.passage.vocabulary
        if vocabulary is None or not 0 <= token < vocabulary.size:
            raise Error(f"there is no token {token} in what the model predicts")
        return Word(token, readable(vocabulary.token_text(token)))

    def hidden(self, query: Where, key: Where, part: str | None = None) -> Why:
        """The pass in which a query does not see a key: in no attention, or not in one `part`, an attention or a head.

        Raises `Error` where it does not see it anyway.
        """
        target = None if part is None else find_target(self.passage.model, part)
        modules: Any = dict(self.passage.model.named_modules())
        head, where = (None, "") if target is None else (target.head, f" in {target.part.words}")
        between = [
            (one, Pair(modules[one.module], head, at, to))
            for one, at, to in self._between(query, key)
            if target is None or one.module == target.path
        ]
        if not any(float(one.weights[:, pair.query, pair.key].sum()) for one, pair in between):
            raise Error(f"{query!r} does not see {key!r}{where or ' in any attention'}, so there is nothing to hide")
        first, pair = between[0]
        shown = readable(first.queries[pair.query]), readable(first.keys[pair.key])
        asks, asked = (said if isinstance(said, str) else word for said, word in zip((query, key), shown, strict=True))
        words = f"with “{asked}” hidden from “{asks}”{where}"
        return self.with_change(Hidden(tuple(pair for _, pair in between), words))

    def with_change(self, change: Change) -> Why:
        """The pass with one more change."""
        return Why(self.passage, [*self.changes, change])

    def _at(self, target: Target, word: str | None) -> At | None:
        """The positions of a word in the text that a part reads."""
        if word is None:
            return None
        return At(word, tuple(find_word(self.passage.words(target.path, "position"), word)))


def _position(words: Sequence[str], word: Where) -> int:
    """Where a word stands. Raises `TraceError` where it does not, or for a position that the text lacks."""
    if isinstance(word, str):
        return find_word(words, word)[-1]
    if not 0 <= word < len(words):
        raise TraceError(f"there is no position {word} in a text of {len(words)} tokens")
    return word
