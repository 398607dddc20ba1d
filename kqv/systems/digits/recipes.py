"""Recipes of the digit recogniser: all that makes a run, typed, frozen, validated, each made by a named function."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, field_validator

from kqv.data.distortions import Distortion
from kqv.errors import Error
from kqv.models.activations import Activation
from kqv.models.initialisation import Initialisation
from kqv.models.recogniser import Cost, Output
from kqv.training.plans import DataPlan, Plan, Recipe, TrainingPlan


class NetworkPlan(Plan):
    """A feed-forward network; input and output sizes come from the data. `bias`: whether its layers have biases."""

    kind: Literal["feed-forward"] = "feed-forward"
    hidden: tuple[PositiveInt, ...] = ()
    activation: Activation = "relu"
    cost: Cost = "cross-entropy"
    output: Output | None = None
    initialisation: Initialisation = "he-normal"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    bias: bool = True


class ConvolutionalPlan(Plan):
    """Convolutions with pooling, then fully connected layers; input and output sizes come from the data.

    Without a `kernel` it is 5×5 as in the textbook, and 3×3 with one empty pixel around for pictures below 16 pixels.
    """

    kind: Literal["convolutional"] = "convolutional"
    maps: tuple[PositiveInt, ...] = (20, 40)
    kernel: PositiveInt | None = None
    padding: int = Field(default=0, ge=0)
    pooling: PositiveInt = 2
    hidden: tuple[PositiveInt, ...] = (100,)
    activation: Activation = "relu"
    initialisation: Initialisation = "he-normal"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class DigitsPlan(DataPlan):
    """Which pictures, how many of them (None: all), and what happens to them at random in training.

    `shift`: by what share of their width they are shifted, rounded to whole pixels (1/28: one pixel of MNIST's, none of
    the small embedded ones'). `distortion`: turned, stretched and bent, as other hands would write.
    """

    name: str = "digits8x8"
    train: PositiveInt | None = None
    test: PositiveInt | None = None
    shift: float = Field(default=0.0, ge=0, le=0.5)
    distortion: Distortion | None = None


class DigitsRecipe(Recipe):
    """A digit recogniser."""

    model_config = ConfigDict(extra="forbid")

    system: Literal["digits"] = "digits"
    name: str
    model: Annotated[NetworkPlan | ConvolutionalPlan, Field(discriminator="kind")]
    data: DigitsPlan
    training: TrainingPlan

    @field_validator("model", mode="before")
    @classmethod
    def _feed_forward_unless_said(cls, model: Any) -> Any:
        """Runs from before there were convolutions do not say what kind of network they have."""
        return {"kind": "feed-forward", **model} if isinstance(model, dict) else model


def article() -> DigitsRecipe:
    """The article's own: [784, 10], 1,000 pictures to train and 100 to test, sigmoid and quadratic cost.

    Its weights come from N(0, 1), as in the article's code, which saturates most neurons at first: docs/benchmarks.md
    says how far it gets, and what a better start gives.
    """
    return DigitsRecipe(
        name="article",
        model=NetworkPlan(hidden=(), activation="sigmoid", cost="quadratic", initialisation="standard-normal"),
        data=DigitsPlan(name="mnist", train=1000, test=100),
        training=TrainingPlan(optimizer="gradient-descent", learning_rate=3.0, batch=10, epochs=30),
    )


def nielsen() -> DigitsRecipe:
    """The textbook's: [784, 30, 10], quadratic cost, η 3, mini-batch 10, 30 epochs (Nielsen ch. 1)."""
    return DigitsRecipe(
        name="nielsen",
        model=NetworkPlan(hidden=(30,), activation="sigmoid", cost="quadratic", initialisation="standard-normal"),
        data=DigitsPlan(name="mnist"),
        training=TrainingPlan(optimizer="gradient-descent", learning_rate=3.0, batch=10, epochs=30),
    )


def digits() -> DigitsRecipe:
    """The default: ReLU, softmax with cross-entropy, dropout, AdamW; pictures shifted a little at random."""
    return DigitsRecipe(
        name="digits",
        model=NetworkPlan(hidden=(512, 512), dropout=0.2),
        data=DigitsPlan(shift=1 / 28),
        training=TrainingPlan(
            learning_rate=2e-3, weight_decay=0.01, schedule="cosine", warm_up=100, batch=128, epochs=20
        ),
    )


def digits_distorted() -> DigitsRecipe:
    """Fully connected, on pictures that are turned, stretched and bent anew each time (Simard et al. 2003)."""
    return DigitsRecipe(
        name="digits-distorted",
        model=NetworkPlan(hidden=(512, 512)),
        data=DigitsPlan(name="mnist", distortion=DISTORTION),
        training=TrainingPlan(
            learning_rate=1e-3, weight_decay=0.01, schedule="cosine", warm_up=100, batch=128, epochs=15
        ),
    )


def digits_best() -> DigitsRecipe:
    """The best that fully connected layers reach in about ten minutes on two cores: larger, longer, bent more."""
    return DigitsRecipe(
        name="digits-best",
        model=NetworkPlan(hidden=(2048, 1024, 512)),
        data=DigitsPlan(
            name="mnist",
            distortion=Distortion(rotation=12, scaling=0.12, shear=8, shift=1.5 / 28, elastic=30, smoothness=5),
        ),
        training=TrainingPlan(
            learning_rate=1e-3, weight_decay=0.01, schedule="cosine", warm_up=200, batch=128, epochs=48
        ),
    )


def convolutional() -> DigitsRecipe:
    """The textbook's last network, with modern training: convolutions, max-pooling, dropout, distorted pictures."""
    return DigitsRecipe(
        name="convolutional",
        model=ConvolutionalPlan(maps=(32, 64), hidden=(256,), dropout=0.4),
        data=DigitsPlan(name="mnist", distortion=DISTORTION),
        training=TrainingPlan(
            learning_rate=2e-3, weight_decay=0.01, schedule="cosine", warm_up=100, batch=128, epochs=12
        ),
    )


DISTORTION = Distortion(rotation=9, scaling=0.09, shear=6, shift=1 / 28, elastic=24, smoothness=5)
"""How strongly: chosen on MNIST's validation set."""

DIGITS_RECIPES = {
    "digits": digits,
    "article": article,
    "nielsen": nielsen,
    "digits-distorted": digits_distorted,
    "digits-best": digits_best,
    "convolutional": convolutional,
}
"""Recipes of the digit recogniser by name; the first is the default."""


def digits_recipe(name: str | None) -> DigitsRecipe:
    """A recipe by name; raise `Error` that lists the names for one that does not exist."""
    if name is None:
        return digits()
    if name not in DIGITS_RECIPES:
        raise Error(f"there is no recipe {name!r} for digits; choose one of: {', '.join(DIGITS_RECIPES)}")
    return DIGITS_RECIPES[name]()
