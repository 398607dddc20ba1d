"""What a training can start from: the weights of a run, of a folder in Hugging Face's layout, or of a GGUF file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError
from kqv.interchange.library_tokenizer import LibraryTokenizer
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.gpt.recipes import GPTRecipe
from kqv.systems.gpt.trained import gpt_recipe_of, load_gpt, load_gpt_source
from kqv.systems.source import ModelSource

LONGEST = 1024  # tokens of a training's window; models with rotary positions may read a hundred times as many


@dataclass(frozen=True, eq=False)
class Pretrained:
    """What a training starts from: a model with its plan and its own vocabulary.

    `origin`: where it was found; `recipe`: how it was trained, where a run says so.
    """

    origin: str
    plan: Architecture
    model: GPT
    tokenizer: Tokenizer
    recipe: GPTRecipe | None = None

    @property
    def context(self) -> int:
        """How many tokens the model itself can read; a training may read fewer."""
        return self.model.context


def pretrained(source: ModelSource) -> Pretrained:
    """A model as what a training starts from; of files with rotary positions the context is cut to `LONGEST`.

    Raises `RunError` for a damaged run, `DataError` for files that are damaged, unknown, or without a vocabulary that a
    run can keep.
    """
    if source.run is not None:
        recipe, loaded = gpt_recipe_of(source.run), load_gpt(source.run)
        return Pretrained(str(source.run.path), recipe.model, loaded.model, loaded.tokenizer, recipe)
    loaded = load_gpt_source(source)
    if isinstance(loaded.tokenizer, LibraryTokenizer):
        known = "ByteLevel ones are known"
        raise DataError(f"{source.path}: no run can keep this vocabulary ({loaded.tokenizer.describe()}); {known}")
    plan = loaded.model.architecture
    if plan.positions == "rotary" and plan.context > LONGEST:
        plan = replace(plan, context=LONGEST)
    is_here = os.path.lexists(source.name)
    return Pretrained(os.path.realpath(source.name) if is_here else source.name, plan, loaded.model, loaded.tokenizer)
