"""Training an adder: data, model and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch

from kqv.errors import Error
from kqv.systems.adder.recipes import AdderRecipe, adder_recipe
from kqv.systems.adder.task import AdderTask
from kqv.systems.adder.trained import TOKENIZER, make_adder
from kqv.systems.changes import Changes, changed
from kqv.systems.system import Asked, Planned, Watcher
from kqv.training.batches import seed_of
from kqv.training.distributed import Group
from kqv.training.launch import Prepared
from kqv.training.plans import Recipe
from kqv.training.randomness import seed_all
from kqv.training.run import DataFacts, Run


def with_changes(recipe: AdderRecipe, changes: Changes) -> AdderRecipe:
    """The recipe with what is wanted other than it has it; `Error` for what an adder does not have."""
    own = "an adder makes its own sums"
    changes.refuse(("data", "tokenizer", "vocab", "source", "target", "form", "teacher"), own)
    changes.refuse(("context",), "an adder's context is as long as a sum")
    changes.refuse(("precision", "compile"), "an adder always computes in float32, uncompiled")
    names = {"layers": "blocks", "heads": "heads", "width": "width", "dropout": "dropout"}
    return changed(recipe, changes, {names[name]: value for name, value in changes.given(*names).items()})


def plan(asked: Asked, group: Group, watcher: Watcher) -> Planned:
    """A new training as it is asked for; raises `Error` for what cannot be."""
    if asked.weights_from is not None:
        raise Error("an adder is trained from new weights; leave out --from")
    recipe = with_changes(_recipe(asked), asked.changes)
    return Planned(recipe, lambda: prepare(recipe, group), _in_words(recipe), asked.minutes)


def _recipe(asked: Asked) -> AdderRecipe:
    if isinstance(asked.recipe, AdderRecipe):
        return asked.recipe
    if asked.recipe is not None and not isinstance(asked.recipe, str):
        raise Error(f"an adder needs one of its own recipes; got one of {asked.recipe.system}")
    return adder_recipe(asked.recipe)


def _in_words(recipe: AdderRecipe) -> str:
    digits = recipe.data.digits
    return f"sums of two numbers of up to {digits} digits, drawn anew at each step; a tenth of all pairs is held out"


def prepare(recipe: AdderRecipe, group: Group) -> Prepared:
    """The model with its first weights, and its sums; the random generators are seeded here for all that follows."""
    seed_all(recipe.training.seed)
    model = make_adder(recipe)
    if not group.is_first:  # what is drawn from now on, such as dropout, is each process's own
        torch.manual_seed(seed_of(recipe.training.seed, "process", group.rank))
    task = AdderTask(model.to(group.device), recipe, group.device, group)
    facts = DataFacts(
        name=recipe.data.name, train=round(task.epoch * recipe.training.batch), validation=len(task.validation),
        test=0, sha256=_fingerprint(task), vocabulary=TOKENIZER.sha256,
    )  # fmt: skip
    return Prepared(recipe, task, facts, lambda run: TOKENIZER.save(run.tokenizer_file))


def _fingerprint(task: AdderTask) -> str:
    """SHA-256 over the pairs of the first step and those that are held out: what would change if the drawing did."""
    digest = hashlib.sha256(task.pairs(0).tokens().astype("<i8").tobytes())
    digest.update(task.validation.tokens().astype("<i8").tobytes())
    return digest.hexdigest()


def resumption(run: Run, data: str | None, group: Group, watcher: Watcher) -> Callable[[Recipe], Prepared]:
    """What puts a run that stopped together again."""
    if data is not None:
        raise Error("an adder makes its own sums; leave out --data")
    return lambda found: prepare(run.recipe_of(AdderRecipe, found), group)
