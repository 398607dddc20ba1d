"""Training a GPT: text, vocabulary, model and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from kqv.data.text.corpora import Corpus
from kqv.data.text.tokenizers import Tokenizer, make_tokenizer
from kqv.data.text.tokens import Tokens, tokenized
from kqv.systems.changes import Changes, changed
from kqv.systems.gpt.pretrained import Pretrained, pretrained
from kqv.systems.gpt.recipes import GPTRecipe, dropout_for
from kqv.systems.gpt.task import TextTask
from kqv.systems.gpt.trained import make_gpt, tokenizer_of
from kqv.systems.source import run_source
from kqv.systems.system import Watcher
from kqv.tensors import put_weights, weights_of
from kqv.training import launch
from kqv.training.batches import seed_of
from kqv.training.distributed import Group
from kqv.training.first_weights import with_first_weights
from kqv.training.launch import Prepared, steps_in_all
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Trainer
from kqv.training.plans import Recipe
from kqv.training.run import DataFacts, Run

SHORTEST = 32
"""Tokens that a context has at least when it is cut to fit a short text."""


def with_changes(recipe: GPTRecipe, changes: Changes) -> GPTRecipe:
    """The recipe with what is wanted other than it has it; `Error` for what cannot be.

    Sizes that follow from the width or the heads do so again where these change.
    """
    names = {"layers": "blocks", "heads": "heads", "width": "width", "context": "context", "dropout": "dropout"}
    model = {names[name]: value for name, value in changes.given(*names).items()}
    follow = {"width": ("hidden", "channels"), "heads": ("key_heads", "channels")}
    model |= {name: None for changed_one in changes.given(*follow) for name in follow[changed_one]}
    return changed(recipe, changes, model)


def with_tokenizer(recipe: GPTRecipe, corpus: Corpus, watcher: Watcher | None = None) -> tuple[GPTRecipe, Tokenizer]:
    """The recipe with its vocabulary resolved, and the vocabulary, made for the corpus where it has to be."""
    tokenizer = make_tokenizer(
        corpus, recipe.data.tokenizer, recipe.data.vocab, None if watcher is None else watcher.downloading
    )
    data = recipe.data.model_copy(update={"tokenizer": tokenizer.kind, "vocab": tokenizer.size})
    return recipe.model_copy(update={"data": data}), tokenizer


def start(
    recipe: GPTRecipe, corpus: Corpus, path: Path, device: torch.device, *, minutes: float | None = None,
    weights_from: Run | Pretrained | None = None, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None, watcher: Watcher | None = None,
) -> tuple[Run, Trainer]:  # fmt: skip
    """A new run, ready to train, in an empty or new folder; `weights_from` gives its architecture, weights and
    vocabulary, and its context is cut where the text is shorter.

    Raises `Error` where the folder is taken or cannot be written; then nothing of the run is left.
    """
    group = group or Group(device=device)
    source = pretrained(run_source(weights_from)) if isinstance(weights_from, Run) else weights_from
    watcher = Watcher() if watcher is None else watcher
    return launch.start(
        lambda: prepare_new(recipe, corpus, group, watcher, minutes, source), path, group,
        minutes=minutes, weights_from=None if source is None else source.origin, listener=listener,
        checkpoint_seconds=checkpoint_seconds,
    )  # fmt: skip


def prepare_new(
    recipe: GPTRecipe, corpus: Corpus, group: Group, watcher: Watcher, minutes: float | None = None,
    source: Pretrained | None = None,
) -> Prepared:  # fmt: skip
    """A new model on its text, with the vocabulary made or taken over, and what only the text could decide."""
    if source is not None:
        recipe, tokenizer = _of_its_architecture(recipe, source), source.tokenizer
    else:
        recipe, tokenizer = with_tokenizer(recipe, corpus, watcher)
    tokens = _tokenized(corpus, tokenizer, group, watcher)
    fitting = recipe if source is None else _within(recipe, tokens)
    settled = _with_dropout(fitting, tokens, tokenizer, group.device, group, minutes)
    return _prepared(settled, corpus, tokens, tokenizer, group.device, group, source)


def prepare_old(run: Run, recipe: GPTRecipe, corpus: Corpus, group: Group, watcher: Watcher) -> Prepared:
    """A run's model, still with its first weights, on its text."""
    tokenizer = tokenizer_of(run)
    tokens = _tokenized(corpus, tokenizer, group, watcher)
    return _prepared(recipe, corpus, tokens, tokenizer, group.device, group)


def _tokenized(corpus: Corpus, tokenizer: Tokenizer, group: Group, watcher: Watcher) -> Tokens:
    """The text as tokens; of several processes the first alone says how far it is."""
    if not group.is_first:
        return tokenized(corpus, tokenizer)
    with watcher.tokenizing() as advance:
        return tokenized(corpus, tokenizer, advance)


def _of_its_architecture(recipe: GPTRecipe, source: Pretrained) -> GPTRecipe:
    """The recipe with the architecture and the vocabulary of what it starts from; dropout stays the recipe's."""
    dropout = {name: getattr(recipe.model, name) for name in ("dropout", "attention_dropout")}
    model = replace(source.plan, **dropout)
    data = recipe.data.model_copy(update={"tokenizer": source.tokenizer.kind, "vocab": source.tokenizer.size})
    return recipe.model_copy(update={"model": model, "data": data})


def _within(recipe: GPTRecipe, tokens: Tokens) -> GPTRecipe:
    """The recipe with a context that fits into a short text, unless that would be too short to be of use; a batch has
    as many tokens as before."""
    longest, context = min(len(tokens.train), len(tokens.validation)) - 1, recipe.model.context
    if not SHORTEST <= longest < context:
        return recipe
    batch = recipe.training.batch * context // longest
    return recipe.model_copy(
        update={
            "model": replace(recipe.model, context=longest),
            "training": recipe.training.model_copy(update={"batch": batch}),
        }
    )


def _with_dropout(
    recipe: GPTRecipe, tokens: Tokens, tokenizer: Tokenizer, device: torch.device, group: Group, minutes: float | None
) -> GPTRecipe:
    """The recipe with as much dropout as suits how often the text will be seen, where it does not say how much."""
    if recipe.model.dropout is not None:
        return recipe
    task = _make_task(recipe, tokens, tokenizer, device, group)
    epochs = steps_in_all(recipe.training, task, minutes, group) / task.epoch
    return recipe.model_copy(update={"model": replace(recipe.model, dropout=dropout_for(epochs))})


def _make_task(
    recipe: GPTRecipe, tokens: Tokens, tokenizer: Tokenizer, device: torch.device, group: Group,
    source: Pretrained | None = None,
) -> TextTask:  # fmt: skip
    """The model with its first weights, on its text; the random generators are seeded here for all that follows."""
    model = with_first_weights(lambda: make_gpt(recipe, tokenizer.size), recipe.training)
    if source is not None:
        weights = weights_of(source.model)
        if "positions.weight" in weights:  # of a context that was cut the first positions are kept
            weights["positions.weight"] = weights["positions.weight"][: model.context]
        put_weights(model, weights, source.origin)
    if not group.is_first:  # what is drawn from now on, such as dropout, is each process's own
        torch.manual_seed(seed_of(recipe.training.seed, "process", group.rank))
    return TextTask(
        model.to(device), recipe.model.context, tokens.train, tokens.validation, tokens.bytes_per_token,
        recipe.training, device, group, tokenizer,
    )  # fmt: skip


def _prepared(
    recipe: GPTRecipe, corpus: Corpus, tokens: Tokens, tokenizer: Tokenizer, device: torch.device, group: Group,
    source: Pretrained | None = None,
) -> Prepared:  # fmt: skip
    task = _make_task(recipe, tokens, tokenizer, device, group, source)
    facts = DataFacts(
        name=recipe.data.name, train=len(tokens.train), validation=len(tokens.validation), test=0,
        sha256=hashlib.sha256(f"{corpus.sha256} {tokenizer.sha256}".encode()).hexdigest(),
        vocabulary=tokenizer.sha256,
    )  # fmt: skip
    return Prepared(recipe, task, facts, lambda run: tokenizer.save(run.tokenizer_file))


def resume(
    run: Run, load_corpus: Callable[[str], Corpus], device: torch.device, *, steps: int | None = None,
    data_name: str | None = None, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None, watcher: Watcher | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it. `data_name` says where its text is now.

    Raises `RunError` when its text changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    group = group or Group(device=device)

    def prepare(found: Recipe) -> Prepared:
        recipe = run.recipe_of(GPTRecipe, found)
        return prepare_old(run, recipe, load_corpus(data_name or recipe.data.name), group, watcher or Watcher())

    return launch.resume(run, prepare, group, steps=steps, listener=listener, checkpoint_seconds=checkpoint_seconds)
