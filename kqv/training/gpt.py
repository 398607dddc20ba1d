"""Training a GPT: text, vocabulary, model and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from kqv.data.text.corpora import Corpus
from kqv.data.text.tokenizers import Tokenizer, make_tokenizer
from kqv.data.text.tokenizers import load as load_tokenizer
from kqv.data.text.tokens import Tokens, tokenized
from kqv.errors import ADVICE, Error, RunError
from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.models.gpt import GPT
from kqv.tensors import put_weights, read_tensors, weights_of
from kqv.training.batches import seed_of
from kqv.training.distributed import Group
from kqv.training.gpt_recipes import GPTPlan, GPTRecipe, dropout_for
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Trainer
from kqv.training.parsing import one_line
from kqv.training.randomness import seed_all
from kqv.training.run import DataFacts, Run
from kqv.training.starting import Prepared, begin, steps_in_all, take_up
from kqv.training.text_task import TextTask

SHORTEST = 32
"""Tokens that a context has at least when it is cut to fit a short text."""

Progress = Callable[[int, int], None]
"""Told how many bytes of the text are tokens already, and how many there are."""


@dataclass(frozen=True, eq=False)
class LoadedGPT:
    """A trained model, in evaluation mode, with its vocabulary."""

    model: GPT
    tokenizer: Tokenizer

    def generate(
        self, prompt: str, tokens: int = 300, *, sampling: Sampling | None = None, seed: int = 1,
        stop: Sequence[str] = (),
    ) -> str:  # fmt: skip
        """What the model writes after a prompt, up to so many tokens or before a stop string.

        Of a prompt longer than the context the last tokens are read. Raises `Error` for a prompt without tokens,
        `DataError` for unknown characters.
        """
        ids = self.tokenizer.encode(prompt)
        return complete(Cached(self.model), self.tokenizer, ids, tokens, sampling, seed, stop)[0]


@dataclass(frozen=True, eq=False)
class Pretrained:
    """What a training starts from: a model with its plan and its own vocabulary.

    `origin`: where it was found; `recipe`: how it was trained, where a run says so.
    """

    origin: str
    plan: GPTPlan
    model: GPT
    tokenizer: Tokenizer
    recipe: GPTRecipe | None = None


def changed(
    recipe: GPTRecipe, *, data: str | None = None, tokenizer: str | None = None, seed: int | None = None,
    steps: int | None = None,
) -> GPTRecipe:  # fmt: skip
    """A recipe with other text, tokenizer, seed or steps where they are given; `Error` for one that cannot be."""
    content = recipe.model_dump()
    given = {"name": data, "tokenizer": tokenizer}
    content["data"] |= {name: value for name, value in given.items() if value is not None}
    content["training"] |= {name: value for name, value in (("seed", seed), ("steps", steps)) if value is not None}
    try:
        return GPTRecipe.model_validate(content)
    except ValidationError as failure:
        raise Error(one_line(failure).removeprefix("training.").removeprefix("data.")) from None


def with_tokenizer(recipe: GPTRecipe, corpus: Corpus) -> tuple[GPTRecipe, Tokenizer]:
    """The recipe with its vocabulary resolved, and the vocabulary, made for the corpus where it has to be."""
    tokenizer = make_tokenizer(corpus, recipe.data.tokenizer, recipe.data.vocab)
    data = recipe.data.model_copy(update={"tokenizer": tokenizer.kind, "vocab": tokenizer.size})
    return recipe.model_copy(update={"data": data}), tokenizer


def make_gpt(recipe: GPTRecipe, vocab: int) -> GPT:
    """The recipe's model, with weights drawn from PyTorch's random generator as it stands."""
    parts = recipe.model.model_dump()
    return GPT(vocab, **(parts | {"dropout": parts["dropout"] or 0.0}))


def start(
    recipe: GPTRecipe, corpus: Corpus, path: Path, device: torch.device, *, minutes: float | None = None,
    weights_from: Run | Pretrained | None = None, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None, progress: Progress | None = None,
) -> tuple[Run, Trainer]:  # fmt: skip
    """A new run, ready to train, in an empty or new folder; `weights_from` gives its form, weights and vocabulary, and
    its context is cut where the text is shorter.

    Raises `Error` where the folder is taken or cannot be written; then nothing of the run is left.
    """
    group = group or Group(device=device)
    source = pretrained(weights_from) if isinstance(weights_from, Run) else weights_from
    if source is not None:
        recipe, tokenizer = _of_form(recipe, source), source.tokenizer
    else:
        recipe, tokenizer = with_tokenizer(recipe, corpus)

    def prepare() -> Prepared:
        tokens = tokenized(corpus, tokenizer, progress)
        fitting = recipe if source is None else _within(recipe, tokens)
        settled = _with_dropout(fitting, tokens, tokenizer, device, group, minutes)
        return _prepared(settled, corpus, tokens, tokenizer, device, group, source)

    return begin(
        prepare, path, group, minutes=minutes, weights_from=None if source is None else Run(Path(source.origin)),
        listener=listener, checkpoint_seconds=checkpoint_seconds,
    )  # fmt: skip


def pretrained(run: Run) -> Pretrained:
    """A run as what another one starts from; `RunError` when it is damaged or of another system."""
    recipe, loaded = gpt_recipe_of(run), load_gpt(run)
    return Pretrained(str(run.path), recipe.model, loaded.model, loaded.tokenizer, recipe)


def _of_form(recipe: GPTRecipe, source: Pretrained) -> GPTRecipe:
    """The recipe with the form and the vocabulary of what it starts from; dropout stays the recipe's."""
    dropout = {name: getattr(recipe.model, name) for name in ("dropout", "attention_dropout")}
    model = source.plan.model_copy(update=dropout)
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
            "model": recipe.model.model_copy(update={"context": longest}),
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
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"dropout": dropout_for(epochs)})})


def _make_task(
    recipe: GPTRecipe, tokens: Tokens, tokenizer: Tokenizer, device: torch.device, group: Group,
    source: Pretrained | None = None,
) -> TextTask:  # fmt: skip
    """The model with its first weights, on its text; chance is seeded here for all that follows."""
    seed_all(recipe.training.seed)
    model = make_gpt(recipe, tokenizer.size)
    if source is not None:
        weights = weights_of(source.model)
        if model.positions is not None:  # of a context that was cut the first places are kept
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


def go_on(
    run: Run, load_corpus: Callable[[str], Corpus], device: torch.device, *, steps: int | None = None,
    data_name: str | None = None, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None, progress: Progress | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it. `data_name` says where its text is now.

    Raises `RunError` when its text changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    group = group or Group(device=device)

    def prepare(recipe: GPTRecipe) -> Prepared:
        corpus, tokenizer = load_corpus(data_name or recipe.data.name), tokenizer_of(run)
        tokens = tokenized(corpus, tokenizer, progress)
        return _prepared(recipe, corpus, tokens, tokenizer, device, group)

    return take_up(run, prepare, group, steps=steps, listener=listener, checkpoint_seconds=checkpoint_seconds)


def gpt_recipe_of(run: Run) -> GPTRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    recipe = run.recipe
    if isinstance(recipe, GPTRecipe):
        return recipe
    raise RunError(f"{run.path} is a {recipe.system} run; this needs one of gpt: kqv runs lists all")


def tokenizer_of(run: Run) -> Tokenizer:
    """A run's own vocabulary; `DataError` where its file is missing or damaged, `RunError` where it is another one."""
    tokenizer = load_tokenizer(run.tokenizer_file)
    if tokenizer.sha256 != run.config.data.vocabulary:
        raise RunError(f"{run.tokenizer_file} is not the vocabulary that {run.path} was trained with; {ADVICE}")
    return tokenizer


def load_gpt(run: Run, best: bool = False) -> LoadedGPT:
    """The trained model of a run with its vocabulary; with its last weights or, as `best`, those of its lowest
    validation loss. `RunError` when it is damaged, or has no such weights."""
    recipe = gpt_recipe_of(run)
    tokenizer = tokenizer_of(run)
    model = make_gpt(recipe, tokenizer.size)
    path = run.weights_file(best)
    put_weights(model, read_tensors(path)[0], str(path))
    return LoadedGPT(model.eval(), tokenizer)
