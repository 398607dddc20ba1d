"""What a training plan asks of an optimizer at each step: its share of the learning rate, and the clip."""

from __future__ import annotations

from kqv.training.optimizers import Optimizer
from kqv.training.patience import Patience
from kqv.training.plans import TrainingPlan
from kqv.training.schedules import share


def set_pace(optimizer: Optimizer, plan: TrainingPlan, step: int, patience: Patience) -> None:
    """Prepare an optimizer for a step (counted from 0): the schedule's share, what halvings left of it, the clip."""
    assert plan.steps is not None
    of_schedule = share(plan.schedule, step, plan.steps, plan.warm_up, plan.floor, plan.decay)
    optimizer.set_share(of_schedule * patience.share)
    optimizer.clip = plan.clip
