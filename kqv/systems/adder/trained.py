"""The adder of a run: made from its recipe, with the weights that training left."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.data.sums import SIGNS, Pairs, answer_at, pair_of
from kqv.data.text.characters import Characters
from kqv.fitting import fitted
from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.models.gpt import GPT
from kqv.systems.adder.recipes import AdderRecipe
from kqv.systems.source import ModelSource
from kqv.tensors import read_tensors
from kqv.training.run import Run

TOKENIZER = Characters(SIGNS)
"""Each digit and sign is a token."""


@dataclass(frozen=True)
class Answer:
    """What the model says: it `read` the two numbers, `wrote` the digits of the sum, each with the ones first, and
    `number` is the sum; None where a sign is among them. `right`: the true sum."""

    read: str
    wrote: str
    number: int | None
    right: int


@dataclass(frozen=True, eq=False)
class LoadedAdder:
    """A trained adder, in evaluation mode, for numbers of up to so many `digits`."""

    model: GPT
    digits: int

    def add(self, first: int, second: int) -> Answer:
        """What the model says is `first + second`. Raises `DataError` for numbers below 0 or of too many digits."""
        text = text_of(pair_of(first, second, self.digits))
        read = text[: answer_at(self.digits)]
        greedy = Sampling(temperature=0)
        wrote = complete(Cached(self.model), TOKENIZER, TOKENIZER.encode(read), self.digits + 1, greedy)[0]
        return Answer(read, wrote, int(wrote[::-1]) if wrote.isdigit() else None, first + second)


def text_of(pair: Pairs) -> str:
    """One pair and its sum as the model reads and writes them: `21+43=640`."""
    return TOKENIZER.decode(pair.tokens()[0])


def adder_recipe_of(run: Run) -> AdderRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    return run.recipe_of(AdderRecipe)


def make_adder(recipe: AdderRecipe) -> GPT:
    """The recipe's model, with weights drawn from PyTorch's random generator as it stands."""
    return GPT(TOKENIZER.size, recipe.model)


def load_adder(run: Run, best: bool = False) -> LoadedAdder:
    """The trained adder of a run; with its last weights or, as `best`, those of its best validation score.

    `RunError` when it is damaged, or has no such weights.
    """
    recipe = adder_recipe_of(run)
    path = run.weights_file(best)
    tensors = read_tensors(path, run.identity)[0]
    model = fitted(lambda: make_adder(recipe), tensors, str(path), run.config_file)
    return LoadedAdder(model, recipe.data.digits)


def load(source: ModelSource, best: bool) -> LoadedAdder:
    """The adder of a run."""
    return load_adder(source.require_run("only runs of kqv train adder add"), best)
