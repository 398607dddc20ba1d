"""Every model whose shapes can be seen before it has weights: recipes, published sizes, and trained models."""

from __future__ import annotations

from kqv.models.published import PUBLISHED, PUBLISHED_ENCODERS, PUBLISHED_TRANSLATORS
from kqv.systems.encoder.sketch import EncoderSketch
from kqv.systems.gpt.sketch import GPTSketch
from kqv.systems.sketch import Sketch
from kqv.systems.source import ModelSource, find_model
from kqv.systems.system import SYSTEMS, kind_named, system_named
from kqv.systems.translation.sketch import TransformerSketch


def recipes() -> dict[str, list[str]]:
    """For each system the names of its recipes, as `sketch_named` takes them: `gpt/nanogpt-cpu`."""
    return {name: [f"{name}/{recipe}" for recipe in system_named(name).recipes] for name in SYSTEMS}


def published() -> dict[str, str]:
    """The titles of published models by the names that `sketch_named` takes."""
    titles = {name: one.title for name, one in (PUBLISHED | PUBLISHED_ENCODERS).items()}
    return titles | {name: one.title for name, one in PUBLISHED_TRANSLATORS.items()}


def sketch_named(name: str) -> Sketch:
    """The model of a published size (`gpt3-175b`), of a recipe (`digits/nielsen`), or a trained one, by whatever names
    it (a run, a folder, a GGUF file).

    Raises `Error` for a recipe or a model that there is not.
    """
    if name in PUBLISHED:
        one = PUBLISHED[name]
        return GPTSketch(one.title, one.architecture, one.vocab)
    if name in PUBLISHED_ENCODERS:
        one = PUBLISHED_ENCODERS[name]
        return EncoderSketch(one.title, one.architecture, one.vocab)
    if name in PUBLISHED_TRANSLATORS:
        other = PUBLISHED_TRANSLATORS[name]
        return TransformerSketch(other.title, other.architecture, other.vocab)
    system, _, recipe = name.partition("/")
    if system in SYSTEMS and recipe:
        found = system_named(system)
        return found.sketch_recipe(found.recipe_named(recipe))
    return sketch_of(find_model(name))


def is_named(name: str) -> bool:
    """Whether a name is that of a published size or of a recipe, which nobody has trained yet."""
    return name in published() or any(name in names for names in recipes().values())


def sketch_of(source: ModelSource) -> Sketch:
    """A trained model, from its description: no weights are read."""
    return kind_named(source.system).sketch(source)
