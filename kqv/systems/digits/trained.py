"""The network of a digit run: made from its recipe, with the weights that training left."""

from __future__ import annotations

from kqv.fitting import fitted
from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.network import Network
from kqv.models.recogniser import Recogniser
from kqv.systems.digits.classes import classes_of
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.tensors import read_tensors
from kqv.training.run import Run


def digits_recipe_of(run: Run) -> DigitsRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    return run.recipe_of(DigitsRecipe)


def load_network(run: Run, best: bool = False) -> Recogniser:
    """The trained network of a run, in evaluation mode; with its last weights or, as `best`, those of its best
    validation score. `RunError` when it is damaged, or has no such weights."""
    classes = classes_of(run)
    recipe, shape, names = digits_recipe_of(run), (classes["rows"], classes["columns"]), tuple(classes["classes"])
    path = run.weights_file(best)
    tensors = read_tensors(path, run.identity)[0]
    return fitted(lambda: make_network(recipe, shape, names), tensors, str(path), run.config_file)


def make_network(recipe: DigitsRecipe, shape: tuple[int, int], classes: tuple[str, ...]) -> Recogniser:
    """The recipe's network for pictures of a shape, with weights drawn from PyTorch's random generator as it stands."""
    plan = recipe.model
    if plan.kind == "convolutional":
        kernel, padding = (plan.kernel, plan.padding) if plan.kernel else (5, 0) if min(shape) >= 16 else (3, 1)
        return ConvolutionalNetwork(
            shape, classes, plan.maps, kernel, padding, plan.pooling, plan.hidden, plan.activation,
            plan.initialisation, plan.dropout,
        )  # fmt: skip
    sizes = [shape[0] * shape[1], *plan.hidden, len(classes)]
    return Network(
        sizes, plan.activation, plan.cost, plan.initialisation, plan.dropout, classes, plan.output, plan.bias
    )  # fmt: skip
