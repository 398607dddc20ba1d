"""Parts of recipes that all systems share: frozen, validated plans."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Plan(BaseModel):
    """A frozen part of a recipe; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingPlan(Plan):
    """How to train: the optimizer and its schedule, batches, length and seed. `steps` rules over `epochs`.

    `weight_decay` and `l1` are the textbook's λ/n and λ₁/n. `early_stopping`: after so many evaluations without a new
    best the learning rate is halved (`halvings` times), then training stops. `monitor`: what is measured beside the
    validation set: the training set's scores, and the size of the gradient by layer. `evaluate_every`: so many steps
    lie between evaluations (None: an epoch). `accumulation`: in so many parts a batch is computed, to save memory.
    """

    optimizer: Literal["gradient-descent", "adamw"] = "adamw"
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    l1: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warm_up: int = Field(default=0, ge=0)
    floor: float = Field(default=0.0, ge=0, le=1)
    clip: float | None = Field(default=None, gt=0)
    early_stopping: PositiveInt | None = None
    halvings: int = Field(default=0, ge=0)
    monitor: tuple[Literal["training", "gradients"], ...] = ()
    batch: PositiveInt
    accumulation: PositiveInt = 1
    evaluate_every: PositiveInt | None = None
    epochs: float | None = Field(default=None, gt=0)
    steps: PositiveInt | None = None
    seed: int = Field(default=1, ge=0, lt=2**63)
