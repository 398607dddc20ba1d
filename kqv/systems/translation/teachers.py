"""A translator's teachers: others, whose translations of the training sentences it learns from.

Sequence-level distillation (Kim and Rush 2016, section 3.2): the pairs (source, reference) of the training set become
(source, ŷ), where ŷ is what the teachers' beam search finds for the source. One model learns so from an ensemble, which
is slow, and which other engines cannot run. It has the teachers' vocabulary, and is validated on the data's own pairs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kqv.data.parallel.pairs import Pairs, ParallelText
from kqv.errors import ADVICE, DataError, Error, RunError
from kqv.evaluation.hypotheses import one_line, write_hypotheses
from kqv.files.reading import read_bytes
from kqv.generation.beam_search import BeamSearch
from kqv.systems.source import find_model
from kqv.systems.system import Watcher
from kqv.systems.translation.ensemble import Translators, join_translators
from kqv.systems.translation.kept_translations import TRANSLATIONS, Kept, KeptTranslations
from kqv.systems.translation.recipes import SearchPlan, Teacher, TeachingPlan, TranslationRecipe
from kqv.systems.translation.trained import LoadedTranslator
from kqv.systems.translation.vocabularies import Vocabularies
from kqv.tensors import digest, weights_of
from kqv.training.distributed import Group
from kqv.training.run import Run

BLOCK = 500
"""Distinct sentences that are translated and kept together: at most so many are lost by a kill."""

SHOWN = 40
"""Characters that an error shows of a sentence."""


@dataclass(frozen=True, eq=False)
class Teachers:
    """Trained translators that teach together, as a plan wants it; `runs` are where they are."""

    plan: TeachingPlan
    together: Translators
    runs: tuple[Run, ...]

    @property
    def first(self) -> LoadedTranslator:
        """The first of them, whose recipe says how they search."""
        return self.together.loaded[0]

    @property
    def vocabularies(self) -> Vocabularies:
        """What they cut sentences with, and what their student does."""
        return self.together.vocabularies

    def describe(self) -> str:
        """One line: who teaches what."""
        names = " and ".join(teacher.name for teacher in self.plan.teachers)
        also = ", and on the data's own" if self.plan.also_originals else ""
        return f"it is trained on translations by {names}{also}"

    def require_suited(self, recipe: TranslationRecipe, text: ParallelText, source: LoadedTranslator | None) -> None:
        """Raise `Error` unless they translate what their student is to, with a vocabulary that it can have."""
        names = " and ".join(teacher.name for teacher in self.plan.teachers)
        plan, verb = self.first.recipe.data, "translates" if len(self.runs) == 1 else "translate"
        if (plan.source, plan.target) != (text.source, text.target):
            raise Error(
                f"{names} {verb} from {plan.source} to {plan.target}, and {text.name} is from {text.source} to "
                f"{text.target}; give such a teacher, or say the languages with --source and --target"
            )
        if plan.form != recipe.data.form:
            raise Error(
                f"{names} {verb} {plan.form} text, and the text is {recipe.data.form}; give --form {plan.form}, or "
                "another teacher"
            )
        if recipe.model.tables == "shared" and not self.vocabularies.joint:
            raise Error(
                f"{names} has one vocabulary for each language, and the model of recipe {recipe.name} shares its "
                "tables between them; leave out --recipe, or give another teacher"
            )
        if source is not None and source.vocabularies.sha256 != self.vocabularies.sha256:
            raise Error(f"the model of --from has another vocabulary than {names}; leave out --from or --teacher")


def load_teachers(plan: TeachingPlan, device: str) -> Teachers:
    """The teachers of a plan. Raises `RunError` for what is no translator's run, `Error` for those that do not go
    together."""
    sources = [find_model(teacher.name, "translate") for teacher in plan.teachers]
    runs = tuple(source.require_run("only runs translate") for source in sources)
    together = join_translators(sources, device=device)
    known = tuple(
        Teacher(name=source.name, identity=run.identity, weights=digest(weights_of(one.model))[:32])
        for source, run, one in zip(sources, runs, together.loaded, strict=True)
    )
    search = plan.search or together.loaded[0].recipe.search
    return Teachers(plan.model_copy(update={"teachers": known, "search": search}), together, runs)


@dataclass(frozen=True)
class Lesson:
    """What teachers make of the training sentences: line n stands for the translation of pair n; `plan` remembers its
    checksum, and how many are the data's own, since the teachers' were of no use."""

    plan: TeachingPlan
    lines: tuple[str, ...]

    def save(self, run: Run) -> None:
        """Write it into a run."""
        write_hypotheses(run.teacher_file, self.lines)

    def taught(self, text: ParallelText) -> ParallelText:
        """The text as it is trained on."""
        pairs = zip(text.train, self.lines, strict=True)
        taught = tuple((source, line) for (source, _), line in pairs)
        return replace(text, train=taught + text.train if self.plan.also_originals else taught)


def make_lesson(teachers: Teachers, text: ParallelText, context: int, group: Group, watcher: Watcher) -> Lesson:
    """Translate the training sentences, each distinct one once. A translation that ends at the most tokens that the
    teachers can write, has more than the student's `context`, or no word, is of no use: the data's own stays.

    Blocks are kept in the first teacher's run, where it can be written to: who is killed, or teaches another student
    the same, does not translate them again. Raises `Error` for a sentence that the teachers cannot read.
    """
    sources = list(dict.fromkeys(source for source, _ in text.train))
    _require_readable(sources, teachers, text.name)
    with group.first_goes_first():  # the others find what it keeps
        found = dict(zip(sources, _translated(sources, teachers, watcher), strict=True))
    lines, own = [], 0
    too_long = _too_long(teachers.vocabularies, [one for one, _ in found.values()], context)
    for source, reference in text.train:
        translation, complete = found[source]
        usable = complete and translation.strip() and translation not in too_long
        lines.append(translation if usable else one_line(reference))
        own += not usable
    plan = teachers.plan.model_copy(update={"own": own, "sha256": _checksum(lines)})
    return Lesson(plan, tuple(lines))


def _translated(sources: Sequence[str], teachers: Teachers, watcher: Watcher) -> Kept:
    search = teachers.plan.search or SearchPlan()
    how = BeamSearch(search.beams, search.length_penalty)
    kept = KeptTranslations(teachers.runs[0].path / TRANSLATIONS / f"teaching-{_key(sources, teachers)}.jsonl")
    found: Kept = []
    with watcher.translating() as advance:
        for number, start in enumerate(range(0, len(sources), BLOCK)):
            block = sources[start : start + BLOCK]
            if len(kept.blocks.get(number, ())) != len(block):
                kept.add(number, _block(block, teachers.together, how, _within(advance, start, len(sources))))
            found += kept.blocks[number]
            if advance is not None:
                advance(len(found), len(sources))
    return found


def _block(
    sentences: Sequence[str], together: Translators, how: BeamSearch, advance: Callable[[int, int], None] | None
) -> Kept:
    best = (found[0] for found in together.translate(sentences, how, advance=advance))
    return [(one_line(one.text), one.complete) for one in best]


def _within(advance: Callable[[int, int], None] | None, start: int, whole: int) -> Callable[[int, int], None] | None:
    """Tells how far a block is as how far all is."""
    return None if advance is None else lambda done, _: advance(start + done, whole)


def _key(sources: Sequence[str], teachers: Teachers) -> str:
    """A fingerprint of all that the translations depend on."""
    search = None if teachers.plan.search is None else teachers.plan.search.model_dump()
    weights = [teacher.weights for teacher in teachers.plan.teachers]
    content = json.dumps([weights, teachers.vocabularies.sha256, search, sources], allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _require_readable(sources: Sequence[str], teachers: Teachers, name: str) -> None:
    most, cut = teachers.together.context, teachers.vocabularies.source
    try:
        encoded = cut.encode_many(sources)
    except DataError:
        for source in sources:
            try:
                cut.encode(source)
            except DataError as failure:
                raise DataError(f"{name}: the teacher cannot read {source[:SHOWN]!r}: {failure}") from None
        raise
    for source, ids in zip(sources, encoded, strict=True):
        if len(ids) > most:
            raise Error(
                f"{name}: the sentence {source[:SHOWN]!r}… has {len(ids):,} tokens, and the teacher reads {most:,}; "
                "leave the sentence out, or give a teacher with a larger --context"
            )


def _too_long(vocabularies: Vocabularies, translations: Sequence[str], context: int) -> set[str]:
    encoded = vocabularies.target.encode_many(translations)
    return {text for text, ids in zip(translations, encoded, strict=True) if len(ids) > context}


def _checksum(lines: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def lesson_of(run: Run, plan: TeachingPlan, pairs: Pairs) -> Lesson:
    """What a run was taught with. Raises `RunError` where it is missing, damaged, or of other pairs."""
    path: Path = run.teacher_file
    try:
        content = read_bytes(path)
    except OSError:
        raise RunError(f"{path} is missing or cannot be read, so the run is damaged; {ADVICE}") from None
    if hashlib.sha256(content).hexdigest() != plan.sha256:
        raise RunError(f"{path} is damaged, its checksum is not the one in config.json; {ADVICE}")
    lines = content.decode("utf-8").split("\n")[:-1]
    if len(lines) != len(pairs):
        raise RunError(
            f"{path} has {len(lines):,} translations, and the data {len(pairs):,} pairs to train on, so it is not the "
            "data that the run was trained on; put the old data back, say with --data where it is"
        )
    return Lesson(plan, tuple(lines))
