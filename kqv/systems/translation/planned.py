"""A translator's training as it is asked for: which recipe suits the pairs, from which weights, for how long."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kqv.data.location import files_of, location_of
from kqv.data.parallel.load import languages_of, load_parallel
from kqv.data.parallel.pairs import ParallelText
from kqv.errors import Error
from kqv.models.masks import leak_in_words
from kqv.systems.changes import Changes
from kqv.systems.source import find_model
from kqv.systems.system import Asked, Planned, Watcher
from kqv.systems.translation.recipes import (
    MINUTES,
    OWN_PAIRS,
    TRANSLATION_RECIPES,
    PairsPlan,
    TranslationRecipe,
    fitted,
    translation_recipe,
)
from kqv.systems.translation.start import prepare_new, prepare_old, with_changes
from kqv.systems.translation.teachers import Teachers, load_teachers, make_lesson
from kqv.systems.translation.trained import LoadedTranslator, load_translator, translation_recipe_of
from kqv.training.distributed import Group
from kqv.training.launch import Prepared
from kqv.training.loop import Trainer
from kqv.training.plans import Recipe
from kqv.training.run import Run


def plan(asked: Asked, group: Group, watcher: Watcher) -> Planned:
    """A new training, with its pairs loaded; raises `Error` for what cannot be."""
    changes, source = asked.changes, None
    if asked.weights_from is not None:
        changes.refuse(("tokenizer",), "--from keeps the vocabulary that the model was trained with")
        changes.refuse(("layers", "heads", "width", "context"), "--from keeps the sizes of the model")
        with group.first_goes_first():
            found = find_model(asked.weights_from, "translate", watcher.downloading)
            source = load_translator(found.require_run("only runs translate"))
    recipe = with_changes(_recipe(asked, source, watcher), changes)
    if recipe.data.teacher is not None:
        changes.refuse(("tokenizer", "vocab"), "--teacher keeps the vocabulary of the teacher")
    data = recipe.data.model_copy(update={"name": location_of(recipe.data.name)})
    recipe = recipe.model_copy(update={"data": data})
    if not changes.given("source", "target"):
        check_languages(recipe.data, recipe.data.name)
    with group.first_goes_first():
        text = load(recipe.data, watcher)
    minutes = asked.minutes
    taken_over = source is not None or (asked.recipe is None and recipe.data.teacher is not None)
    if recipe.name == OWN_PAIRS and not taken_over:
        recipe = fitted(recipe, changes, len(text.train), text.size)
        minutes = MINUTES if minutes is None and changes.steps is None else minutes
    if recipe.data.teacher is None:
        prepare = partial(prepare_new, recipe, text, group, source)
        return Planned(recipe, prepare, text.describe(), minutes, asked.weights_from, _notes)
    teachers = load_teachers(recipe.data.teacher, str(group.device))
    teachers.require_suited(recipe, text, source)
    return Planned(
        recipe,
        lambda: _prepare_taught(recipe, text, group, source, teachers, watcher),
        f"{text.describe()}; {teachers.describe()}",
        minutes,
        asked.weights_from,
        _notes,
    )


def _prepare_taught(
    recipe: TranslationRecipe, text: ParallelText, group: Group, source: LoadedTranslator | None, teachers: Teachers,
    watcher: Watcher,
) -> Prepared:  # fmt: skip
    """A new model on what its teachers make of the pairs."""
    recipe = recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"tokenizer": teachers.first.recipe.data.tokenizer})}
    )
    lesson = make_lesson(teachers, text, recipe.model.context, group, watcher)
    return prepare_new(recipe, text, group, source, lesson, teachers.vocabularies)


def _notes(trainer: Trainer) -> list[str]:
    """A mask that leaks, and how many translations could not be taken from the teachers."""
    model: Any = trainer.task.model
    found = [leak_in_words(model.architecture.mask)] if model.sees_later else []
    plan = trainer.run.recipe_of(TranslationRecipe).data.teacher
    if plan is None or not plan.own:
        return found
    return [*found, f"{plan.own:,} translations are the data's own: the teachers' are cut off, too long, or empty"]


def check_languages(plan: PairsPlan, wanted: str) -> None:
    """Raise `Error` for two files the wrong way round."""
    files = files_of(wanted)
    if not isinstance(files, str) and languages_of(files) == (plan.target, plan.source):
        raise Error(
            f"the run translates from {plan.source} to {plan.target}, and {files[0]} is in {plan.target}; give the "
            f"other file first: --data {files[1]},{files[0]}"
        )


def load(plan: PairsPlan, watcher: Watcher, name: str | None = None) -> ParallelText:
    """The pairs of a plan, or of another `name` in the same languages and form."""
    return load_parallel(
        files_of(name or plan.name), source=plan.source, target=plan.target, form=plan.form, quantity=plan.quantity,
        progress=watcher.downloading,
    )  # fmt: skip


def _recipe(asked: Asked, source: LoadedTranslator | None, watcher: Watcher) -> TranslationRecipe:
    """The recipe that is asked for; else that of the model to start from, or of the first teacher, which may have had
    teachers itself."""
    if isinstance(asked.recipe, TranslationRecipe):
        return asked.recipe
    if asked.recipe is not None and not isinstance(asked.recipe, str):
        raise Error(f"a translator needs one of its own recipes; got one of {asked.recipe.system}")
    if asked.recipe is None and source is not None:
        return source.recipe.untaught
    if asked.recipe is None and asked.changes.teacher is not None:
        plan = with_changes(translation_recipe(None), Changes(teacher=asked.changes.teacher)).data.teacher
        assert plan is not None
        found = find_model(plan.teachers[0].name, "translate", watcher.downloading)
        return translation_recipe_of(found.require_run("only runs translate")).untaught
    return translation_recipe(asked.recipe or _usual(asked.changes))


def _usual(changes: Changes) -> str | None:
    """The recipe's name for data that is asked for without one: the set's own, or the one for own pairs."""
    if changes.data is None or changes.data in TRANSLATION_RECIPES:
        return changes.data
    backwards = changes.source == "en" or changes.target == "de"
    own = f"{changes.data}-en-de" if backwards else f"{changes.data}-de-en"
    return own if own in TRANSLATION_RECIPES else OWN_PAIRS


def resumption(run: Run, data: str | None, group: Group, watcher: Watcher) -> Callable[[Recipe], Prepared]:
    """What puts a run that stopped together again, with its pairs where they are now."""

    def prepare(found: Recipe) -> Prepared:
        recipe = run.recipe_of(TranslationRecipe, found)
        with group.first_goes_first():
            text = load(recipe.data, watcher, data)
        return prepare_old(run, recipe, text, group)

    return prepare
