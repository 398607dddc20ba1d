"""Training a translator: pairs, vocabularies, model and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from kqv.data.parallel.pairs import Pair, ParallelText
from kqv.data.parallel.sentences import make_sentences
from kqv.errors import Error
from kqv.models.transformer import Transformer
from kqv.systems.changes import Changes, changed
from kqv.systems.translation.recipes import TranslationRecipe
from kqv.systems.translation.segmented import SegmentedPairs
from kqv.systems.translation.task import MOST_SCORED, Scored, TranslationTask
from kqv.systems.translation.teachers import Lesson, lesson_of
from kqv.systems.translation.trained import LoadedTranslator, make_transformer
from kqv.systems.translation.vocabularies import EncodedPairs, Vocabularies, vocabularies_of
from kqv.tensors import put_weights, weights_of
from kqv.training.batches import seed_of
from kqv.training.distributed import Group
from kqv.training.first_weights import with_first_weights
from kqv.training.launch import Prepared
from kqv.training.run import DataFacts, Run

SHOWN = 40
"""Characters that an error shows of a sentence."""


def with_changes(recipe: TranslationRecipe, changes: Changes) -> TranslationRecipe:
    """The recipe with what is wanted other than it has it; `Error` for what cannot be."""
    names = {"heads": "heads", "width": "width", "context": "context", "dropout": "dropout"}
    model = {names[name]: value for name, value in changes.given(*names).items()}
    if changes.layers is not None:
        model |= {"encoder_blocks": changes.layers, "decoder_blocks": changes.layers}
    return changed(recipe, changes, model)


def prepare_new(
    recipe: TranslationRecipe, text: ParallelText, group: Group, source: LoadedTranslator | None = None,
    lesson: Lesson | None = None, vocabularies: Vocabularies | None = None,
) -> Prepared:  # fmt: skip
    """A new model on its pairs, or on what its teachers make of them, with the vocabularies made or taken over: from
    the model that it starts from, or those that are given."""
    if source is not None:
        vocabularies = source.vocabularies
        dropout = {name: getattr(recipe.model, name) for name in ("dropout", "attention_dropout")}
        recipe = recipe.model_copy(update={"model": replace(source.recipe.model, **dropout)})
    elif vocabularies is None:
        data = recipe.data
        joint = data.joint and recipe.model.tables == "shared"
        vocabularies = Vocabularies(*make_sentences(text, data.tokenizer, data.vocab, joint))
    settled = recipe.data.model_copy(
        update={
            "source": text.source, "target": text.target, "vocab": vocabularies.target.size,
            "joint": vocabularies.joint, "teacher": None if lesson is None else lesson.plan,
        }
    )  # fmt: skip
    recipe = recipe.model_copy(update={"data": settled})
    return _prepared(recipe, text, vocabularies, group, source, lesson)


def prepare_old(run: Run, recipe: TranslationRecipe, text: ParallelText, group: Group) -> Prepared:
    """A run's model, still with its first weights, on its pairs."""
    plan = recipe.data.teacher
    lesson = None if plan is None else lesson_of(run, plan, text.train)
    return _prepared(recipe, text, vocabularies_of(run), group, lesson=lesson)


def _prepared(
    recipe: TranslationRecipe, text: ParallelText, vocabularies: Vocabularies, group: Group,
    source: LoadedTranslator | None = None, lesson: Lesson | None = None,
) -> Prepared:  # fmt: skip
    text = text if lesson is None else lesson.taught(text)
    model = _first_weights(recipe, vocabularies, group, source)
    train = SegmentedPairs(
        text.train, vocabularies, dropout=recipe.data.bpe_dropout, seed=recipe.training.seed, most=recipe.model.context
    )
    validation = vocabularies.encode(text.validation)
    for pairs, encoded in ((text.train, train.whole), (text.validation, validation)):
        _require_short(pairs, encoded, recipe.model.context, text.name)
    scored = Scored(text.validation[:MOST_SCORED], vocabularies, recipe.data.form, text.target)
    task = TranslationTask(
        model.to(group.device), train, validation, recipe.training, recipe.loss, group.device, group, scored,
        recipe.data.bucket_width,
    )  # fmt: skip
    facts = DataFacts(
        name=recipe.data.name, train=len(text.train), validation=len(text.validation), test=len(text.test),
        sha256=hashlib.sha256(f"{text.sha256} {vocabularies.sha256}".encode()).hexdigest(),
        vocabulary=vocabularies.sha256, batches=task.batches.per_epoch,
    )  # fmt: skip
    return Prepared(recipe, task, facts, vocabularies.save if lesson is None else _both(vocabularies.save, lesson.save))


def _both(first: Callable[[Run], None], second: Callable[[Run], None]) -> Callable[[Run], None]:
    def save(run: Run) -> None:
        first(run)
        second(run)

    return save


def _first_weights(
    recipe: TranslationRecipe, vocabularies: Vocabularies, group: Group, source: LoadedTranslator | None
) -> Transformer:
    """The model as it begins; the random generators are seeded here for all that follows."""
    model = with_first_weights(lambda: make_transformer(recipe, vocabularies), recipe.training)
    if source is not None:
        put_weights(model, weights_of(source.model), "the model of --from")
    if not group.is_first:  # what is drawn from now on, such as dropout, is each process's own
        torch.manual_seed(seed_of(recipe.training.seed, "process", group.rank))
    return model


def _require_short(pairs: Sequence[Pair], encoded: EncodedPairs, context: int, name: str) -> None:
    for sentences, tokens in zip(pairs, encoded, strict=True):
        for sentence, ids in zip(sentences, tokens, strict=True):
            if len(ids) > context:
                raise Error(
                    f"{name}: the sentence {sentence[:SHOWN]!r}… has {len(ids):,} tokens, and the model reads "
                    f"{context:,}; give --context {len(ids)} or more, or leave the sentence out"
                )
