"""Parts of recipes that all systems share: frozen, validated plans."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

MUONS_MOMENTUM = 0.95


class Plan(BaseModel):
    """A frozen part of a recipe; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingPlan(Plan):
    """How to train: the optimizer and its schedule, batches, length and seed. `steps` rules over `epochs`.

    `muon` is for the matrices of hidden layers: `learning_rate` and `momentum` (0.95 if none is given) are its own,
    all other parameters learn by AdamW with `adamw_learning_rate`. `weight_decay` and `l1` are the textbook's λ/n
    and λ₁/n; they take all that has two axes or more, embeddings too. `early_stopping`: after so many evaluations
    without a new best the learning rate is halved (`halvings` times), then training stops. `monitor`: what is
    measured beside the validation set: the training set's scores, and the size of the gradient by layer.
    `evaluate_every`: so many steps lie between evaluations (None: an epoch). `most_epochs`: where a time is given
    instead of steps, no more than this. `accumulation`: in so many parts a batch is computed, to save memory.
    `decay`: a trapezoid falls over this last share of the steps. `keep_best`: the weights with the lowest
    validation loss are kept beside the last. Of texts alone: `sample_tokens`, so many the model writes at each
    evaluation; `precision` of the products in a step (weights stay float32); `compile` the model by PyTorch's
    compiler.
    """

    optimizer: Literal["gradient-descent", "adamw", "muon"] = "adamw"
    learning_rate: float = Field(gt=0)
    adamw_learning_rate: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    l1: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "cosine", "trapezoid"] = "constant"
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
    evaluate_every: PositiveInt | None = None
    keep_best: bool = False
    sample_tokens: int = Field(default=0, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    most_epochs: float | None = Field(default=None, gt=0)
    steps: PositiveInt | None = None
    seed: int = Field(default=1, ge=0, lt=2**63)

    @model_validator(mode="before")
    @classmethod
    def _muon_has_a_momentum(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("optimizer") == "muon" and "momentum" not in given:
            return {**given, "momentum": MUONS_MOMENTUM}
        return given

    @model_validator(mode="after")
    def _the_optimizer_has_its_settings(self) -> TrainingPlan:
        if self.optimizer == "muon" and self.adamw_learning_rate is None:
            raise ValueError("muon needs adamw_learning_rate too, for embeddings, head, norms and biases")
        if self.optimizer != "muon" and self.adamw_learning_rate is not None:
            raise ValueError(f"adamw_learning_rate goes with muon alone; {self.optimizer} has only learning_rate")
        return self
