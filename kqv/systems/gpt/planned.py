"""A GPT's training as it is asked for: which recipe suits the text, from which weights, for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kqv.data.location import location_of
from kqv.data.text.corpora import Corpus, load_text
from kqv.data.text.tokenizers import choose_tokenizer
from kqv.errors import Error
from kqv.models.masks import leak_in_words
from kqv.systems.gpt import fine_tuning, recipes
from kqv.systems.gpt.pretrained import Pretrained, pretrained
from kqv.systems.gpt.recipes import MINUTES, GPTRecipe
from kqv.systems.gpt.start import prepare_new, prepare_old, with_changes
from kqv.systems.source import find_model
from kqv.systems.system import Asked, Planned, Watcher
from kqv.training.distributed import Group
from kqv.training.launch import Prepared
from kqv.training.loop import Trainer
from kqv.training.plans import Recipe
from kqv.training.run import Run


def plan(asked: Asked, group: Group, watcher: Watcher) -> Planned:
    """A new training, with its text loaded; raises `Error` for what cannot be.

    The default recipe suits the size of the text and trains for a few minutes, unless steps are asked for.
    """
    changes, source = asked.changes, None
    if asked.weights_from is not None:
        changes.refuse(("tokenizer",), "--from keeps the vocabulary that the model was trained with")
        changes.refuse(("layers", "heads", "width", "context"), "--from keeps the sizes of the model")
        with group.first_goes_first():
            source = pretrained(find_model(asked.weights_from, "gpt", watcher.downloading))
    recipe = _recipe(asked, source)
    name = location_of(changes.data or recipe.data.name)
    with group.first_goes_first():
        corpus = load_text(name, watcher.downloading)
    minutes = asked.minutes
    if asked.recipe in (None, "gpt") and source is None:
        recipe = recipes.gpt(corpus.size, group.device.type != "cpu")
        minutes = MINUTES if changes.steps is None and minutes is None else minutes
    recipe = with_changes(recipe, changes)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"name": name})})
    if source is None:
        _tell_of_tokenizer(corpus, recipe.data.tokenizer, group, watcher)
    return Planned(
        recipe,
        lambda: prepare_new(recipe, corpus, group, watcher, minutes, source),
        corpus.describe(),
        minutes,
        None if source is None else source.origin,
        lambda trainer: _notes(recipe, minutes, source, trainer),
    )


def _recipe(asked: Asked, source: Pretrained | None) -> GPTRecipe:
    """The recipe that is asked for. Without one that of the run whose weights are taken, or where these were trained
    elsewhere, one for fine-tuning."""
    if isinstance(asked.recipe, GPTRecipe):
        return asked.recipe
    if asked.recipe is not None and not isinstance(asked.recipe, str):
        raise Error(f"a GPT needs one of its own recipes; got one of {asked.recipe.system}")
    if asked.recipe is not None or source is None:
        return recipes.gpt_recipe(asked.recipe)
    if source.recipe is not None:
        return source.recipe
    return fine_tuning.fine_tuning(source.plan, asked.changes.steps or fine_tuning.STEPS)


def _tell_of_tokenizer(corpus: Corpus, kind: str, group: Group, watcher: Watcher) -> None:
    if group.is_first and (choose_tokenizer(corpus).kind if kind == "auto" else kind) == "bpe":
        watcher.learning_tokenizer(corpus.bytes_of("train"))


def _notes(recipe: GPTRecipe, minutes: float | None, source: Pretrained | None, trainer: Trainer) -> list[str]:
    """What was chosen for the user: length, dropout, a context that was cut; and a mask that leaks."""
    found = [] if minutes is None else [length_in_words(minutes, trainer)]
    model: Any = trainer.task.model
    if model.sees_later:
        found.append(leak_in_words(model.architecture.mask))
    dropout = trainer.run.recipe_of(GPTRecipe).model.dropout
    if recipe.model.dropout is None and dropout:
        found.append(f"dropout {dropout:g} against overfitting, since the text will be seen many times")
    if source is not None:
        found.append(f"from the weights of {source.origin}; {fine_tuning.in_words(recipe)}")
        if model.context < source.plan.context:
            found.append(f"its context is cut from {source.context:,} to {model.context:,}: the text is short")
        elif model.context < source.context:
            found.append(f"it trains on {model.context:,} tokens at once; the model could read {source.context:,}")
    return found


def length_in_words(minutes: float, trainer: Trainer) -> str:
    """How long a training by the clock will be in steps and epochs."""
    plan, task = trainer.plan, trainer.task
    epochs = trainer.steps / task.epoch
    times = f"each token is seen {epochs:.1f} times" if epochs >= 1 else f"{100 * epochs:.2g} % of the text is seen"
    if plan.most_epochs is not None and epochs >= 0.99 * plan.most_epochs:
        return f"{trainer.steps:,} steps, in which {times}: more would only overfit; --steps sets them"
    return f"about {minutes:g} min: {trainer.steps:,} steps, {times}; --minutes or --steps change that"


def resumption(run: Run, data: str | None, group: Group, watcher: Watcher) -> Callable[[Recipe], Prepared]:
    """What puts a run that stopped together again, with its text where it is now."""

    def prepare(found: Recipe) -> Prepared:
        recipe = run.recipe_of(GPTRecipe, found)
        with group.first_goes_first():
            corpus = load_text(data or recipe.data.name, watcher.downloading)
        return prepare_old(run, recipe, corpus, group, watcher)

    return prepare
