"""Trainings of made-up examples, for models that only have sizes yet: numbers do not matter to what a step takes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from kqv.models.published import PUBLISHED, PUBLISHED_TRANSLATORS, Published, PublishedTranslator
from kqv.models.transformer import Transformer
from kqv.systems.gpt.fine_tuning import fine_tuning
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.sketch import USUAL_VOCAB
from kqv.systems.gpt.task import TextTask
from kqv.systems.gpt.trained import make_gpt
from kqv.systems.translation.recipes import TranslationRecipe, translation_recipe
from kqv.systems.translation.sketch import USUAL_VOCAB as USUAL_SENTENCES
from kqv.systems.translation.task import TranslationTask
from kqv.systems.translation.vocabularies import EncodedPairs
from kqv.training.distributed import Group
from kqv.training.plans import Recipe

NAME = "made-up"
LENGTH = 25
"""Tokens of a made-up sentence, at most: about as long as a translator's are."""


def published_recipe(name: str) -> GPTRecipe | TranslationRecipe | None:
    """A training of a published size, as kqv would begin it; None for a name that is none."""
    if name in PUBLISHED:
        return gpt_recipe(PUBLISHED[name])
    return translator_recipe(PUBLISHED_TRANSLATORS[name]) if name in PUBLISHED_TRANSLATORS else None


def gpt_recipe(one: Published) -> GPTRecipe:
    """A GPT's: AdamW in bfloat16, a batch of about 2,048 tokens."""
    recipe = fine_tuning(one.architecture)
    training = recipe.training.model_copy(update={"precision": "bfloat16", "steps": None})
    data = TextPlan(name=NAME, tokenizer="bpe", vocab=one.vocab)
    return recipe.model_copy(update={"name": one.title, "data": data, "training": training})


def translator_recipe(one: PublishedTranslator) -> TranslationRecipe:
    """An encoder-decoder's: as the recipe `base` trains it."""
    recipe = translation_recipe("base")
    data = recipe.data.model_copy(update={"name": NAME, "vocab": one.vocab, "joint": True})
    training = recipe.training.model_copy(update={"steps": None, "epochs": None})
    return recipe.model_copy(update={"name": one.title, "model": one.architecture, "data": data, "training": training})


def made_up_task(recipe: Recipe, group: Group, shapes: Any = None) -> TextTask | TranslationTask | None:
    """The recipe's model, new, with examples of its sizes; None for a system whose models are never large.

    `shapes`: PyTorch's `FakeTensorMode`, in which the model then has shapes and takes no memory.
    """
    with shapes or nullcontext():
        if isinstance(recipe, GPTRecipe):
            return _text_task(recipe, group, shapes)
        return _translation_task(recipe, group, shapes) if isinstance(recipe, TranslationRecipe) else None


def _text_task(recipe: GPTRecipe, group: Group, shapes: Any) -> TextTask:
    vocab = recipe.data.vocab or USUAL_VOCAB[recipe.data.tokenizer]
    recipe = recipe.model_copy(update={"model": replace(recipe.model, dropout=recipe.model.dropout or 0.0)})
    model, context = make_gpt(recipe, vocab), recipe.model.context
    model = model if shapes is not None else model.to(group.device)
    ids = np.random.default_rng(1).integers(0, vocab, 64 * (context + 1), dtype=np.int64)
    return TextTask(model, context, ids, ids, 1.0, recipe.training, group.device, group)


class _Same:
    """Training pairs that are the same in each epoch."""

    def __init__(self, whole: EncodedPairs) -> None:
        self.whole = whole

    def of_epoch(self, epoch: int) -> EncodedPairs:
        return self.whole


def _translation_task(recipe: TranslationRecipe, group: Group, shapes: Any) -> TranslationTask:
    vocab = recipe.data.vocab or USUAL_SENTENCES[recipe.data.tokenizer]
    model = Transformer(vocab, None if recipe.data.joint else vocab, recipe.model)
    model = model if shapes is not None else model.to(group.device)
    length = min(LENGTH, recipe.model.context)
    count = max(4, 4 * recipe.training.batch // length)
    rows = np.random.default_rng(1).integers(3, vocab, (count, 2, length), dtype=np.int64)
    pairs = [(source, target) for source, target in rows]
    return TranslationTask(
        model, _Same(pairs), pairs[: max(1, count // 4)], recipe.training, recipe.loss, group.device, group,
        bucket_width=recipe.data.bucket_width,
    )  # fmt: skip
