"""The translator of a run: made from its recipe, with the weights and the vocabularies that training left."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.errors import Error
from kqv.fitting import fitted
from kqv.generation.beam_search import BeamSearch
from kqv.models.transformer import Transformer
from kqv.systems.source import ModelSource
from kqv.systems.translation.passage import passage_of
from kqv.systems.translation.recipes import TranslationRecipe
from kqv.systems.translation.translating import translate_sentences
from kqv.systems.translation.vocabularies import Vocabularies, vocabularies_of
from kqv.tensors import read_tensors
from kqv.training.run import Run
from kqv.why.why import Why


@dataclass(frozen=True, eq=False)
class LoadedTranslator:
    """A trained model, in evaluation mode, with its vocabularies and its recipe."""

    model: Transformer
    vocabularies: Vocabularies
    recipe: TranslationRecipe

    def search(self, beams: int | None = None, length_penalty: float | None = None, n_best: int = 1) -> BeamSearch:
        """How it searches: as its recipe says, but for what is given."""
        plan = self.recipe.search
        beams = plan.beams if beams is None else beams
        penalty = plan.length_penalty if length_penalty is None else length_penalty
        return BeamSearch(max(beams, n_best), penalty, n_best)

    def translate(self, sentence: str, *, beams: int | None = None, length_penalty: float | None = None) -> str:
        """The translation of a sentence, in the form (raw or tokenised) that the run was trained on; `""` for one
        without a word.

        Raises `Error` for characters that the vocabulary does not have, and for a sentence longer than the context.
        """
        if not isinstance(sentence, str):
            raise Error(
                f"translate takes one sentence, a text; got a {type(sentence).__name__}: for several, "
                "[model.translate(sentence) for sentence in sentences]"
            )
        how = self.search(beams, length_penalty)
        return translate_sentences([self.model], self.vocabularies, [sentence], how)[0][0].text

    def why(self, sentence: str, translation: str | None = None) -> Why:
        """Why a head looks where it looks in a sentence and a translation of it (by default its own), and why a token
        follows. Raises `Error` for a sentence that is too long, `DataError` for unknown characters."""
        return Why(passage_of(self.model, self.vocabularies, self.translate, sentence, translation))


def translation_recipe_of(run: Run) -> TranslationRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    return run.recipe_of(TranslationRecipe)


def make_transformer(recipe: TranslationRecipe, vocabularies: Vocabularies) -> Transformer:
    """The recipe's model, with weights drawn from PyTorch's random generator as it stands."""
    source = None if vocabularies.joint else vocabularies.source.size
    return Transformer(vocabularies.target.size, source, recipe.model)


def load_translator(run: Run, best: bool = False) -> LoadedTranslator:
    """The trained model of a run; with its last weights or, as `best`, those of its best validation score. `RunError`
    when it is damaged, or has no such weights."""
    recipe, vocabularies = translation_recipe_of(run), vocabularies_of(run)
    path = run.weights_file(best)
    tensors = read_tensors(path, run.identity)[0]
    model = fitted(lambda: make_transformer(recipe, vocabularies), tensors, str(path), run.config_file)
    return LoadedTranslator(model, vocabularies, recipe)


def load(source: ModelSource, best: bool) -> LoadedTranslator:
    """The translator of a run."""
    return load_translator(source.require_run("only runs translate"), best)
