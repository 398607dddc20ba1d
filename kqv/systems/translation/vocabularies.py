"""What cuts sentences into tokens: one vocabulary for both languages, or one for each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kqv.data.parallel.pairs import Pair
from kqv.data.parallel.sentences import Sentences
from kqv.data.text.codec import Ids
from kqv.data.text.tokenizers import load as load_tokenizer
from kqv.errors import ADVICE, RunError
from kqv.systems.translation.recipes import TranslationRecipe
from kqv.training.run import Run

EncodedPairs = Sequence[tuple[Ids, Ids]]


@dataclass(frozen=True)
class Vocabularies:
    """What cuts the source and the target into tokens; for joint ones the same."""

    source: Sentences
    target: Sentences

    @property
    def joint(self) -> bool:
        """Whether source and target have one vocabulary."""
        return self.source is self.target

    @property
    def sha256(self) -> str:
        """The fingerprint of both."""
        both = f"{self.source.tokenizer.sha256} {self.target.tokenizer.sha256}"
        return hashlib.sha256(both.encode()).hexdigest()

    def save(self, run: Run) -> None:
        """Write them into a run."""
        self.target.tokenizer.save(run.tokenizer_file)
        if not self.joint:
            self.source.tokenizer.save(run.source_tokenizer_file)

    def describe(self) -> str:
        """One line: what the tokens are and how many."""
        if self.joint:
            return self.target.describe()
        return f"source: {self.source.describe()}; target: {self.target.describe()}"

    def encode(self, pairs: Sequence[Pair]) -> EncodedPairs:
        """Pairs of sentences as pairs of ids. Raises `DataError` for what a vocabulary cannot express."""
        sources = self.source.encode_many([source for source, _ in pairs])
        targets = self.target.encode_many([target for _, target in pairs])
        return list(zip(sources, targets, strict=True))


def vocabularies_of(run: Run) -> Vocabularies:
    """A run's own vocabularies; `DataError` where a file is missing or damaged, `RunError` where it is another one."""
    recipe = run.recipe_of(TranslationRecipe)
    target = Sentences(load_tokenizer(run.tokenizer_file))
    source = target if recipe.data.joint else Sentences(load_tokenizer(run.source_tokenizer_file))
    found = Vocabularies(source, target)
    if found.sha256 != run.config.data.vocabulary:
        raise RunError(f"{run.tokenizer_file} is not the vocabulary that {run.path} was trained with; {ADVICE}")
    return found
