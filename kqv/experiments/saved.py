"""Saved questions by name: the textbook's experiments with digits (Nielsen ch. 3 and 5)."""

from __future__ import annotations

from collections.abc import Callable

from kqv.experiments.question import Panel, Question

ACCURACY = Panel(title="How much is right", keys=("validation_accuracy",), unit="accuracy")


def slow_learning() -> Question:
    """Neurons that are surely wrong: with the quadratic cost they hardly learn, with the cross-entropy they do.

    Nielsen ch. 3, "The cross-entropy cost function": with σ′(z) near 0, ∂C/∂w of the quadratic cost is near 0 too.
    """
    return Question(
        system="digits",
        name="slow-learning",
        question="Why does a network that is badly wrong learn slowly?",
        explanation="With the quadratic cost the error is multiplied by σ′(z), which is near 0 for a saturated neuron.",
        recipes=("article",),
        base={"training.epochs": 30, "training.monitor": ["training"]},
        variants={
            "quadratic cost": {},
            "cross-entropy": {
                "model.cost": "cross-entropy", "model.output": "sigmoid", "training.learning_rate": 0.5
            },
            "small weights at first": {"model.initialisation": "scaled-normal"},
        },
        panels=(ACCURACY, Panel(title="Cost of the training pictures", keys=("training_loss",), unit="cost")),
    )  # fmt: skip


def overfitting() -> Question:
    """Overfitting on 1,000 pictures, and what regularisation does about it (Nielsen ch. 3, "Overfitting …")."""
    return Question(
        system="digits",
        name="overfitting",
        question="What does a network learn from 1,000 pictures, and what helps it to learn more?",
        explanation="Without regularisation the training pictures are soon all right; the cost of new ones rises.",
        recipes=("nielsen",),
        base={
            "model.cost": "cross-entropy", "model.output": "sigmoid", "model.initialisation": "scaled-normal",
            "data.train": 1000, "training.learning_rate": 0.5, "training.epochs": 200, "training.monitor": ["training"],
        },
        variants={
            "nothing against it": {},
            "L2": {"training.weight_decay": 1e-3},
            "L1": {"training.l1": 1e-4},
            "dropout": {"model.hidden": [100], "model.dropout": 0.5},
            "ten times the pictures": {"data.train": 10_000, "training.epochs": 20},
        },
        seeds=3,
        panels=(
            Panel(
                title="Right: training pictures (dashed), new ones", keys=("validation_accuracy", "training_accuracy"),
                unit="accuracy",
            ),
            Panel(title="Cost of new pictures", keys=("validation_loss",), unit="cost"),
        ),
    )  # fmt: skip


def vanishing_gradients() -> Question:
    """How fast each layer of a deep network learns (Nielsen ch. 5): ‖∂C/∂b‖ by layer."""
    return Question(
        system="digits",
        name="vanishing-gradients",
        question="Why do the first layers of a deep network learn so slowly?",
        explanation=(
            "Each sigmoid layer multiplies the gradient by w·σ′(z), and σ′ is at most 1/4; ReLU's derivative is 1 or 0."
        ),
        recipes=("nielsen",),
        base={
            "model.hidden": [30, 30, 30, 30], "model.cost": "cross-entropy", "model.initialisation": "scaled-normal",
            "data.train": 1000, "training.learning_rate": 0.1, "training.epochs": 30,
            "training.monitor": ["gradients"],
        },
        variants={
            "sigmoid": {},
            "ReLU": {"model.activation": "relu", "model.initialisation": "he-normal"},
        },
        panels=(
            Panel(
                title="Size of ∂C/∂b", keys=("gradient_",), unit="‖∂C/∂b‖", each_variant=True, logarithmic=True
            ),
            ACCURACY,
        ),
    )  # fmt: skip


SAVED: dict[str, Callable[[], Question]] = {
    "slow-learning": slow_learning,
    "overfitting": overfitting,
    "vanishing-gradients": vanishing_gradients,
}
"""Saved questions by name."""
