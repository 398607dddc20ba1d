"""One translator or several together, found by their names: an ensemble of averaged probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kqv.errors import Error
from kqv.generation.beam_search import BeamSearch
from kqv.models.transformer import Transformer
from kqv.systems.source import ModelSource, find_model
from kqv.systems.translation.trained import LoadedTranslator, load
from kqv.systems.translation.translating import Translation, encode_line, translate_sentences
from kqv.systems.translation.vocabularies import Vocabularies
from kqv.training.devices import choose_device


@dataclass(frozen=True, eq=False)
class Translators:
    """Trained translators with the same vocabularies; what is not asked for is as the first one's recipe says."""

    loaded: tuple[LoadedTranslator, ...]

    @property
    def models(self) -> list[Transformer]:
        """Their models."""
        return [one.model for one in self.loaded]

    @property
    def vocabularies(self) -> Vocabularies:
        """What all of them cut sentences with."""
        return self.loaded[0].vocabularies

    @property
    def context(self) -> int:
        """How many tokens each of them can read."""
        return min(model.context for model in self.models)

    def search(self, beams: int | None = None, length_penalty: float | None = None, n_best: int = 1) -> BeamSearch:
        """How they search: as the first one's recipe says, but for what is given."""
        return self.loaded[0].search(beams, length_penalty, n_best)

    def readable(self, sentences: Sequence[str], first_line: int = 1) -> tuple[int, Error | None]:
        """How many of the sentences can be read before the first one that cannot, and why that one cannot."""
        for number, sentence in enumerate(sentences):
            try:
                encode_line(sentence, first_line + number, self.vocabularies, self.models)
            except Error as failure:
                return number, failure
        return len(sentences), None

    def translate(
        self, sentences: Sequence[str], how: BeamSearch, *, first_line: int = 1,
        advance: Callable[[int, int], None] | None = None,
    ) -> list[list[Translation]]:  # fmt: skip
        """As `translate_sentences`, by the mean of the models' probabilities."""
        return translate_sentences(
            self.models, self.vocabularies, sentences, how, first_line=first_line, advance=advance
        )


def load_translators(names: Sequence[str], best: bool = False, device: str = "auto") -> Translators:
    """The translators of these runs. Raises `Error` where they do not translate alike, in one vocabulary."""
    return join_translators([find_model(name, "translate") for name in names], best, device)


def join_translators(sources: Sequence[ModelSource], best: bool = False, device: str = "auto") -> Translators:
    """As `load_translators`, of models that are found already."""
    found = tuple(load(source, best) for source in sources)
    for source, one in zip(sources[1:], found[1:], strict=True):
        _require_alike((sources[0].name, found[0]), (source.name, one))
    for one in found:
        one.model.to(choose_device(device))
    return Translators(found)


def _require_alike(first: tuple[str, LoadedTranslator], second: tuple[str, LoadedTranslator]) -> None:
    """Raise `Error` unless two translators, with their names, say the probabilities of the same things."""
    (one, mine), (other, theirs) = first, second
    tasks = [f"from {plan.source} to {plan.target}" for plan in (mine.recipe.data, theirs.recipe.data)]
    if tasks[0] != tasks[1]:
        raise Error(f"{one} translates {tasks[0]}, and {other} {tasks[1]}; only runs of one direction go together")
    if mine.recipe.data.form != theirs.recipe.data.form:
        raise Error(
            f"{one} was trained on {mine.recipe.data.form} text, and {other} on {theirs.recipe.data.form}; "
            "only runs of one form go together"
        )
    if mine.vocabularies.sha256 != theirs.vocabularies.sha256:
        raise Error(
            f"{one} and {other} have different vocabularies, so their probabilities cannot be averaged; train "
            "them on the same data"
        )
