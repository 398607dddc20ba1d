"""The textbook's experiments with digits (Nielsen ch. 3 and 5)."""

from __future__ import annotations

from typing import Any

from kqv.experiments.experiment import Experiment, Panel, Variant
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, article
from kqv.training.plans import TrainingPlan

ACCURACY = Panel("How much is right", ("validation_accuracy",), "accuracy")


def _changed(recipe: DigitsRecipe, name: str, model: dict[str, Any], training: dict[str, Any]) -> DigitsRecipe:
    content = recipe.model_dump()
    content["name"] = name
    content["model"] |= model
    content["training"] |= training
    return DigitsRecipe.model_validate(content)


def slow_learning() -> Experiment:
    """Neurons that are surely wrong: with the quadratic cost they hardly learn, with the cross-entropy they do.

    Nielsen ch. 3, "The cross-entropy cost function": with σ′(z) near 0, ∂C/∂w of the quadratic cost is near 0 too.
    """
    common = {"epochs": 30, "monitor": ("training",)}
    variants = (
        Variant("quadratic cost", _changed(article(), "quadratic", {}, common)),
        Variant(
            "cross-entropy, η 0.5",
            _changed(
                article(), "cross-entropy", {"cost": "cross-entropy", "output": "sigmoid"},
                {**common, "learning_rate": 0.5},
            ),
        ),
        Variant(
            "quadratic, small weights at first",
            _changed(article(), "small-weights", {"initialisation": "scaled-normal"}, common),
        ),
    )  # fmt: skip
    return Experiment(
        "slow-learning",
        "Why does a network that is badly wrong learn slowly?",
        "With the quadratic cost the error is multiplied by σ′(z), which is near 0 for a saturated neuron.",
        variants,
        (ACCURACY, Panel("Cost of the training pictures", ("training_loss",), "cost")),
    )


def overfitting() -> Experiment:
    """Overfitting on 1,000 pictures, and what regularisation does about it (Nielsen ch. 3, "Overfitting …")."""
    base = DigitsRecipe(
        name="nothing-against-it",
        model=NetworkPlan(
            hidden=(30,), activation="sigmoid", cost="cross-entropy", output="sigmoid", initialisation="scaled-normal"
        ),
        data=DigitsPlan(name="mnist", train=1000),
        training=TrainingPlan(
            optimizer="gradient-descent", learning_rate=0.5, batch=10, epochs=200, monitor=("training",)
        ),
    )
    more = base.model_copy(update={"name": "more-pictures", "data": DigitsPlan(name="mnist", train=10_000)})
    more = _changed(more, "more-pictures", {}, {"epochs": 20})
    variants = (
        Variant("nothing against it", base),
        Variant("L2", _changed(base, "l2", {}, {"weight_decay": 1e-3})),
        Variant("L1", _changed(base, "l1", {}, {"l1": 1e-4})),
        Variant("dropout", _changed(base, "dropout", {"hidden": (100,), "dropout": 0.5}, {})),
        Variant("ten times the pictures", more),
    )
    return Experiment(
        "overfitting",
        "What does a network learn from 1,000 pictures, and what helps it to learn more?",
        "Without regularisation the training pictures are soon all right, while the cost of new ones rises.",
        variants,
        (
            Panel(
                "Right: training pictures (dashed), new ones", ("validation_accuracy", "training_accuracy"), "accuracy"
            ),
            Panel("Cost of new pictures", ("validation_loss",), "cost"),
        ),
    )


def vanishing_gradients() -> Experiment:
    """How fast each layer of a deep network learns (Nielsen ch. 5): ‖∂C/∂b‖ by layer."""
    sigmoid = DigitsRecipe(
        name="sigmoid",
        model=NetworkPlan(hidden=(30, 30, 30, 30), activation="sigmoid", initialisation="scaled-normal"),
        data=DigitsPlan(name="mnist", train=1000),
        training=TrainingPlan(
            optimizer="gradient-descent", learning_rate=0.1, batch=10, epochs=30, monitor=("gradients",)
        ),
    )
    relu = _changed(sigmoid, "relu", {"activation": "relu", "initialisation": "he-normal"}, {})
    variants = (Variant("sigmoid", sigmoid), Variant("ReLU", relu))
    return Experiment(
        "vanishing-gradients",
        "Why do the first layers of a deep network learn so slowly?",
        "Each sigmoid layer multiplies the gradient by w·σ′(z), and σ′ is at most 1/4; ReLU's derivative is 1 or 0.",
        variants,
        (Panel("Size of ∂C/∂b", ("gradient_",), "‖∂C/∂b‖", each_variant=True, logarithmic=True), ACCURACY),
    )


DIGITS_EXPERIMENTS = {
    "slow-learning": slow_learning,
    "overfitting": overfitting,
    "vanishing-gradients": vanishing_gradients,
}
"""Experiments with digits by name."""
