"""How weights that were trained elsewhere are trained further on a text."""

from __future__ import annotations

from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.training.optimizers import optimizer_named
from kqv.training.plans import TrainingPlan

STEPS = 300
WARM_UP = 0.03  # share of the steps
TOKENS = 2048  # of a step, about


def fine_tuning(model: Architecture, steps: int = STEPS) -> GPTRecipe:
    """The recipe for a model whose weights are good already: small steps, so that it keeps what it knows.

    AdamW with learning rate 1e-4: a warm-up over 3 % of the steps, then a cosine down to a tenth. The published models
    began with 6e-4 at this size (Brown et al. 2020, table 2.1) and ended with a tenth of it. A batch has
    about 2,048 tokens. The weights of the lowest validation loss are kept, since a large model soon overfits a
    small text.
    """
    return GPTRecipe(
        name="fine-tuning",
        model=model,
        data=TextPlan(),
        training=TrainingPlan(
            learning_rate=1e-4, betas=(0.9, 0.95), weight_decay=0.1, schedule="cosine",
            warm_up=max(1, round(WARM_UP * steps)), floor=0.1, clip=1.0, batch=max(1, TOKENS // model.context),
            steps=steps, evaluate_every=max(1, steps // 6), keep_best=True,
        ),
    )  # fmt: skip


def in_words(recipe: GPTRecipe) -> str:
    """What it does, in a line."""
    plan = recipe.training
    optimizer = optimizer_named(plan.optimizer).title
    return f"{optimizer}, learning rate {plan.learning_rate:g}, warm-up over {plan.warm_up} steps, {plan.schedule}"
