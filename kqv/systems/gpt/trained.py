"""The GPT of a run: made from its recipe, with the weights and the vocabulary that training left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kqv.data.text.tokenizers import Tokenizer
from kqv.data.text.tokenizers import load as load_tokenizer
from kqv.errors import ADVICE, DataError, RunError
from kqv.fitting import fitted
from kqv.generation.generate import complete
from kqv.generation.predictor import predictor_of
from kqv.generation.sampling import Sampling
from kqv.interchange import gguf, hugging_face
from kqv.models.gpt import GPT
from kqv.systems.gpt.passage import passage_of
from kqv.systems.gpt.recipes import GPTRecipe
from kqv.systems.source import ModelSource
from kqv.tensors import read_tensors
from kqv.training.run import Run
from kqv.why.why import Why


@dataclass(frozen=True, eq=False)
class LoadedGPT:
    """A trained model, in evaluation mode, with its vocabulary."""

    model: GPT
    tokenizer: Tokenizer

    def generate(
        self, prompt: str, tokens: int = 300, *, sampling: Sampling | None = None, seed: int = 1,
        stop: Sequence[str] = (), weights: str = "float32",
    ) -> str:  # fmt: skip
        """What the model writes after a prompt, up to so many tokens or before a stop string; with `weights` float16,
        bfloat16 or int8 less exactly, and mostly faster (`kqv.generation.weights`).

        Of a prompt longer than the context the last tokens are read. Raises `Error` for a prompt without tokens and
        for weights that do not exist or that the model cannot have, `DataError` for unknown characters.
        """
        ids = self.tokenizer.encode_prompt(prompt)
        return complete(predictor_of(self.model, weights), self.tokenizer, ids, tokens, sampling, seed, stop)[0]

    def why(self, text: str) -> Why:
        """Why a head looks where it looks in a text, and why a token follows.

        Raises `Error` for a text without a token or longer than the context, `DataError` for unknown characters.
        """
        return Why(passage_of(self.model, self.tokenizer, text))


def gpt_recipe_of(run: Run) -> GPTRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    return run.recipe_of(GPTRecipe)


def tokenizer_of(run: Run) -> Tokenizer:
    """A run's own vocabulary; `DataError` where its file is missing or damaged, `RunError` where it is another one."""
    tokenizer = load_tokenizer(run.tokenizer_file)
    if tokenizer.sha256 != run.config.data.vocabulary:
        raise RunError(f"{run.tokenizer_file} is not the vocabulary that {run.path} was trained with; {ADVICE}")
    return tokenizer


def load_gpt(run: Run, best: bool = False) -> LoadedGPT:
    """The trained model of a run with its vocabulary; with its last weights or, as `best`, those of its best
    validation score. `RunError` when it is damaged, or has no such weights."""
    recipe = gpt_recipe_of(run)
    tokenizer = tokenizer_of(run)
    path = run.weights_file(best)
    tensors = read_tensors(path, run.identity)[0]
    model = fitted(lambda: make_gpt(recipe, tokenizer.size), tensors, str(path), run.config_file)
    return LoadedGPT(model, tokenizer)


def make_gpt(recipe: GPTRecipe, vocab: int) -> GPT:
    """The recipe's model, with weights drawn from PyTorch's random generator as it stands."""
    return GPT(vocab, recipe.model)


def load_gpt_source(source: ModelSource, best: bool = False) -> LoadedGPT:
    """A model with its vocabulary, wherever it is: a run's, or one of files. `DataError` for files without a
    tokenizer, `RunError` as `load_gpt`."""
    if source.run is not None:
        return load_gpt(source.run, best)
    source.require_one_set_of_weights(best)
    model, tokenizer = read_files(source)
    if tokenizer is None:
        raise DataError(f"{source.path} has no tokenizer, so no text can be given to it; save the tokenizer with it")
    return LoadedGPT(model, tokenizer)


def read_files(source: ModelSource) -> tuple[GPT, Tokenizer | None]:
    """The model of a folder in Hugging Face's layout or of a GGUF file, and its tokenizer where there is one."""
    return gguf.read(source.path) if source.is_gguf else hugging_face.read(source.path)
