"""How well a digit recogniser does on a whole set of pictures."""

from __future__ import annotations

from kqv.data.digits import load_digits
from kqv.errors import Error
from kqv.evaluation.pictures import PictureEvaluation, first_layer_pictures, score_pictures
from kqv.systems.digits.start import limited
from kqv.systems.digits.task import vectors_of
from kqv.systems.digits.trained import digits_recipe_of, load_network
from kqv.systems.source import ModelSource
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.training.devices import choose_device


def evaluate(source: ModelSource, asked: EvaluationAsked, watcher: Watcher) -> Evaluated:
    """Score a run on a split of its own data, or of other data with the same classes. Raises `Error` for data that does
    not fit."""
    run = source.require_run("only runs know digits")
    chosen = choose_device(asked.device)
    model = load_network(run, asked.best).to(chosen)
    recipe = digits_recipe_of(run)
    pictures = load_digits(asked.data or recipe.data.name, progress=watcher.downloading)
    if asked.data is None:
        pictures = limited(pictures, recipe)
    if pictures.classes != model.classes:
        raise Error(
            f"{run.path} has the classes {', '.join(model.classes)}; the data has {', '.join(pictures.classes)}: "
            "give data with the same classes"
        )
    part = getattr(pictures, asked.split)
    if len(part) == 0:
        raise Error(f"the data has no {asked.split} pictures")
    scores = score_pictures(model, *vectors_of(model, part, chosen))
    title = f"{run.path} on {pictures.name}, {asked.split}"
    return Evaluated(
        {
            "data": pictures.name, "split": asked.split, "pictures": scores.pictures, "accuracy": scores.accuracy,
            "loss": scores.loss, "confusion": scores.confusion.tolist(),
        },
        f"{title}: {100 * scores.accuracy:.2f} % right ({scores.correct:,} of {scores.pictures:,}), "
        f"loss {scores.loss:.4f}",
        PictureEvaluation(
            title, model.classes, part.pixels, part.labels, scores, first_layer_pictures(model, pictures.shape)
        ),
    )  # fmt: skip
