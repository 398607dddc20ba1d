"""Which pairs a translator is scored on: a split of a named set or of the run's own pairs, or any files as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kqv.data.location import files_of, location_of
from kqv.data.parallel.load import load_whole
from kqv.data.parallel.pairs import Pairs, ParallelText
from kqv.data.sets import PARALLEL, SOURCES
from kqv.errors import DataError, Error
from kqv.systems.system import Watcher
from kqv.systems.translation.planned import check_languages, load
from kqv.systems.translation.recipes import PairsPlan
from kqv.systems.translation.vocabularies import EncodedPairs, Vocabularies

SIDES = ("the sentence", "its translation")


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs to score a translator on.

    `name` of the data, and which `split` (None: all of own files); `file`: what a file of their translations is called;
    `lines[pair]`: where each stands in `names`, one for each side. `tokenised`: the translations as they are published
    in that form, where the pairs are raw and there are such. `trained`: how many of the sentences are among those
    that the run was trained on; None where these are gone.
    """

    name: str
    split: str | None
    pairs: Pairs
    file: str
    names: tuple[str, str]
    lines: Sequence[int]
    tokenised: tuple[str, ...] | None = None
    trained: int | None = 0

    @property
    def warning(self) -> str:
        """What is to be said of pairs that are not held out, or may not be."""
        if self.trained is None:
            return "the pairs that it was trained on are gone, so it cannot be told whether some are among these"
        if self.trained:
            return f"{self.trained:,} of {len(self.pairs):,} sentences are among those that it was trained on"
        return ""

    @property
    def title(self) -> str:
        """Name and split in words."""
        return self.name if self.split is None else f"{self.name}, {self.split}"

    def encoded(self, vocabularies: Vocabularies, context: int) -> EncodedPairs:
        """All pairs as ids. Raises `Error` for a sentence that is too long for the model or has what its vocabulary
        cannot express, with file and line."""
        try:
            found = vocabularies.encode(self.pairs)
        except DataError:
            self._name_unknown(vocabularies)
            raise
        for number, pair in enumerate(found):
            for side, ids in enumerate(pair):
                if len(ids) > context:
                    raise Error(
                        f"{self._where(number, side)}: {SIDES[side]} has {len(ids):,} tokens, and the model's context "
                        f"is {context:,}; leave the pair out, or train with --context {len(ids)} or more"
                    )
        return found

    def _name_unknown(self, vocabularies: Vocabularies) -> None:
        for number, pair in enumerate(self.pairs):
            both = zip(pair, (vocabularies.source, vocabularies.target), strict=True)
            for side, (sentence, vocabulary) in enumerate(both):
                try:
                    vocabulary.encode(sentence)
                except DataError as error:
                    raise DataError(f"{self._where(number, side)}: {error}") from None

    def _where(self, number: int, side: int) -> str:
        return f"{self.names[side]}, line {self.lines[number]:,}"


def scored_pairs(plan: PairsPlan, data: str | None, split: str, watcher: Watcher) -> ScoredPairs:
    """The pairs of a run with such a `plan`, or other `data`: a set, a TSV, or two files with a comma between.

    Own files are taken whole, but for those that the run was trained on: of these the split that was held out. Raises
    `DataError` for files that are wrong, with file and line, and `Error` where a split is asked of files taken whole.
    """
    wanted = plan.name if data is None else location_of(data)
    if wanted == plan.name or wanted in PARALLEL:
        return _split(plan, wanted, split, watcher)
    if split != "test":
        raise Error(f"the files of --data are scored whole, they have no {split} split; leave out --split")
    check_languages(plan, wanted)
    files = files_of(wanted)
    names = (files, files) if isinstance(files, str) else (files[0], files[1])
    pairs, lines = load_whole(files)
    title = " and ".join(Path(name).name for name in dict.fromkeys(names))
    file = f"{Path(names[0]).name}.{plan.target}"
    return ScoredPairs(title, None, pairs, file, names, lines, trained=_trained(plan, pairs, watcher))


def _trained(plan: PairsPlan, pairs: Pairs, watcher: Watcher) -> int | None:
    try:
        known = {source for source, _ in load(plan, watcher).train}
    except DataError:
        return None
    return sum(source in known for source, _ in pairs)


def _split(plan: PairsPlan, wanted: str, split: str, watcher: Watcher) -> ScoredPairs:
    own = wanted == plan.name
    asked = plan if own else plan.model_copy(update={"name": wanted, "quantity": None})
    text = load(asked, watcher)
    pairs: Pairs = getattr(text, split)
    file = f"{split}.{text.target}" if own else f"{text.name}.{split}.{text.target}"
    names = (f"{text.name} {split} ({text.source})", f"{text.name} {split} ({text.target})")
    tokenised = _published(asked, text, split, watcher)
    lines = range(1, len(pairs) + 1)
    trained = len(pairs) * (split == "train") if own else _trained(plan, pairs, watcher)
    return ScoredPairs(text.name, split, pairs, file, names, lines, tokenised, trained)


def _published(plan: PairsPlan, text: ParallelText, split: str, watcher: Watcher) -> tuple[str, ...] | None:
    if text.form == "tokenised" or plan.name not in PARALLEL or "tokenised" not in SOURCES[plan.name].forms:
        return None
    other = load(plan.model_copy(update={"form": "tokenised"}), watcher)
    return tuple(target for _, target in getattr(other, split))
