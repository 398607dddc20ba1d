"""The optimizer of a run as its training left it, ready for the step that would come next."""

from __future__ import annotations

from torch import nn

from kqv.training.checkpoint import Checkpoint, Counters
from kqv.training.launch import make_optimizer
from kqv.training.optimizers import Optimizer
from kqv.training.pace import set_pace
from kqv.training.patience import Patience
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run


def optimizer_of(run: Run, model: nn.Module) -> Optimizer:
    """A run's optimizer over its model, as the run's training left it: see `with_state`. It computes in float32, as
    traces do."""
    return with_state(run, make_optimizer(model, run.recipe.training.model_copy(update={"precision": "float32"})))


def with_state(run: Run, optimizer: Optimizer) -> Optimizer:
    """The optimizer with the state that the run's training left, and with the learning rate and clip of its next step.

    A run that has made all of its steps has no next one: then it is one more with the last step's share of the
    learning rate. `optimizer.occasion` says which step it is. Without a checkpoint it is the first one.
    """
    plan = run.recipe.training
    if not run.checkpoint_file.exists():
        set_pace(optimizer, plan, 0, Patience(None))
        optimizer.occasion = f"step 1, since the run has no checkpoint; {_whose_gradient(plan)}"
        return optimizer
    checkpoint = Checkpoint.read(run.checkpoint_file, run.identity)
    optimizer.restore(checkpoint.optimizer, str(run.checkpoint_file))
    patience = Patience(plan.early_stopping, plan.halvings, plan.best_by)
    patience.state = checkpoint.counters.patience
    assert plan.steps is not None
    set_pace(optimizer, plan, min(checkpoint.counters.step, plan.steps - 1), patience)
    optimizer.occasion = f"{_which(checkpoint.counters, plan.steps, patience.is_over)}; {_whose_gradient(plan)}"
    return optimizer


def _which(counters: Counters, steps: int, stopped_early: bool) -> str:
    """Which step comes next, in words."""
    if counters.step >= steps:
        return f"one step more after the run's {steps:,}, with the learning rate of its last"
    if stopped_early:
        return f"step {counters.step + 1:,} of {steps:,}, which training did not make: it stopped early"
    return f"step {counters.step + 1:,} of {steps:,}, the next that training would make"


def _whose_gradient(plan: TrainingPlan) -> str:
    """A trace has the gradient of what is traced; training takes that of a batch."""
    if plan.average != "none":
        return (
            "it is shown from the run's averaged weights and its gradient is that of the example traced here, where "
            "training continues from its own weights with the mean over a batch"
        )
    if plan.batch == 1:
        return "the gradient is that of the example traced here"
    return f"the gradient is that of the example traced here alone, where training takes the mean over {plan.batch:,}"
