"""Parts of recipes that all systems share: frozen, validated plans."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SerializeAsAny, field_validator, model_validator

from kqv.errors import Error
from kqv.training.optimizers import OPTIMIZERS, optimizer_named


class Plan(BaseModel):
    """A frozen part of a recipe; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingPlan(Plan):
    """How to train: the optimizer and its schedule, batches, length and seed. `steps` rules over `epochs`.

    `muon` is for the matrices of hidden layers: `learning_rate` and `momentum` (0.95 if none is given) are its own, all
    other parameters learn by AdamW with `adamw_learning_rate`. `weight_decay` and `l1` are the textbook's λ/n and λ₁/n;
    they take all that has two axes or more, embeddings too. `early_stopping`: after so many evaluations without a new
    best the learning rate is halved (`halvings` times), then training stops. `monitor`: what is measured beside the
    validation set: the training set's scores, and the size of the gradient by layer. `evaluate_every`: so many steps
    lie between evaluations (None: an epoch). `evaluation_tokens`: of a long validation text, how many tokens are scored
    while training (None: the usual number). `most_epochs`: where a time is given instead of steps, no more than this.
    `accumulation`: in so many parts a batch is computed, to save memory. `decay`: a trapezoid falls over this last
    share of the steps. `average`: what is scored and used is not the last weights, but their mean over the steps
    ("ema", with `average_decay`) or over the last `average_last` evaluations ("last"); see `kqv.training.averaging`.
    `keep_best`: the weights with the best validation score are kept beside the last. `best_by`: which score, a name
    that the model's evaluation gives, such as "accuracy" or "bleu"; it decides on `keep_best` (None: the loss) and on
    early stopping (None: the accuracy where there is one, else the loss). Of texts alone: `sample_tokens`, so many the
    model writes at each evaluation; `precision` of the products in a step (weights stay float32); `compile` the model
    by PyTorch's compiler. `first_weights`: drawn as the model is made, or each parameter by its name, so that models
    which differ in a part begin with what they have in common (`kqv.training.first_weights`).
    """

    optimizer: str = "adamw"
    learning_rate: float = Field(gt=0)
    adamw_learning_rate: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    l1: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "cosine", "trapezoid", "inverse-square-root"] = "constant"
    warm_up: int = Field(default=0, ge=0)
    floor: float = Field(default=0.0, ge=0, le=1)
    decay: float = Field(default=0.2, gt=0, le=1)
    clip: float | None = Field(default=None, gt=0)
    early_stopping: PositiveInt | None = None
    halvings: int = Field(default=0, ge=0)
    monitor: tuple[Literal["training", "gradients"], ...] = ()
    batch: PositiveInt
    accumulation: PositiveInt = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    average: Literal["none", "ema", "last"] = "none"
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    average_last: PositiveInt = 10
    evaluate_every: PositiveInt | None = None
    evaluation_tokens: PositiveInt | None = None
    keep_best: bool = False
    best_by: str | None = None
    sample_tokens: int = Field(default=0, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    most_epochs: float | None = Field(default=None, gt=0)
    steps: PositiveInt | None = None
    seed: int = Field(default=1, ge=0, lt=2**63)
    first_weights: Literal["in-order", "by-name"] = "in-order"

    @model_validator(mode="before")
    @classmethod
    def _the_optimizers_usual_momentum(cls, given: Any) -> Any:
        known = OPTIMIZERS.get(str(given.get("optimizer", "adamw"))) if isinstance(given, dict) else None
        return given if known is None or "momentum" in given else {**given, "momentum": known.momentum}

    @field_validator("optimizer")
    @classmethod
    def _the_optimizer_exists(cls, name: str) -> str:
        try:
            optimizer_named(name)
        except Error as failure:
            raise ValueError(str(failure)) from None
        return name

    @model_validator(mode="after")
    def _the_optimizer_has_its_settings(self) -> TrainingPlan:
        beside = optimizer_named(self.optimizer).beside_adamw
        if beside and self.adamw_learning_rate is None:
            raise ValueError(f"{self.optimizer} needs adamw_learning_rate too, for embeddings, head, norms and biases")
        if not beside and self.adamw_learning_rate is not None:
            raise ValueError(f"adamw_learning_rate goes with muon alone; {self.optimizer} has only learning_rate")
        return self


class DataPlan(Plan):
    """Which data: a name of `kqv data list`, a file or a folder. Each system has more to say of its own."""

    name: str


class AnyData(DataPlan):
    """The data's part of a recipe whose system is not known here; what it says beside the name is kept as it is."""

    model_config = ConfigDict(extra="allow")


class Recipe(Plan):
    """What every system's recipe has; a run reads its own as this, and its system reads the rest (`of_system`)."""

    model_config = ConfigDict(extra="allow")

    system: str
    name: str
    data: SerializeAsAny[DataPlan]
    training: TrainingPlan


class AnyRecipe(Recipe):
    """A recipe whose system is not known here: what it says beside the common parts is kept as it is."""

    data: AnyData
