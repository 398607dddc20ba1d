"""False alarms of `kqv compare`, counted; and what pairs of equal seeds are worth.

    python benchmarks/compare_false_alarms.py [--tries 40] [--seeds 5] [--steps 100]

Two kinds of tries, with small networks on the embedded digits that are really trained:

* two equal recipes, compared with seeds that no other try has and that are not matched: what is different is chance
  alone, so 19 of 20 tries have to see no difference;
* two recipes that differ in the dropout (none, or 0.1 of the hidden neurons), with matched seeds: the interval of the
  paired difference stands beside the one that takes the same scores as if they did not belong together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace

import torch

from kqv.data.digits import DigitData, load_digits
from kqv.evaluation.pictures import score_pictures
from kqv.experiments.statistics import Interval, paired_interval, unpaired_interval
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan
from kqv.systems.digits.task import DigitsTask, vectors_of
from kqv.systems.digits.trained import make_network
from kqv.training.first_weights import with_first_weights
from kqv.training.launch import make_optimizer
from kqv.training.plans import TrainingPlan

CPU = torch.device("cpu")


def recipe(seed: int, steps: int, dropout: float = 0.0) -> DigitsRecipe:
    """A network [64, 16, 16, 10] that learns for some steps."""
    return DigitsRecipe(
        name="small",
        model=NetworkPlan(hidden=(16, 16), dropout=dropout),
        data=DigitsPlan(),
        training=TrainingPlan(learning_rate=3e-3, batch=32, steps=steps, seed=seed, first_weights="by-name"),
    )


def loss_of(data: DigitData, chosen: DigitsRecipe) -> float:
    """The loss on the validation set after training, as a run would have it."""
    model = with_first_weights(lambda: make_network(chosen, data.shape, data.classes), chosen.training)
    task, optimizer = DigitsTask(model, data, chosen, CPU), make_optimizer(model, chosen.training)
    model.train()
    for step in range(chosen.training.steps or 0):
        task.learn(task.batch(step))
        optimizer.step()
        optimizer.zero_grad()
    return score_pictures(model, *vectors_of(model, data.validation, CPU)).loss


def half(interval: Interval | None) -> float:
    """Half an interval's width."""
    assert interval is not None
    return interval.half


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    data = load_digits(None)
    data = replace(data, train=data.train[:600])
    alarms, halves, seen = 0, [], [0, 0]
    for number in range(asked.tries):
        first = 1 + 3 * asked.seeds * number
        seeds = range(first, first + asked.seeds)
        plain = [loss_of(data, recipe(seed, asked.steps)) for seed in seeds]
        equal = [loss_of(data, recipe(seed + asked.seeds, asked.steps)) for seed in seeds]
        dropped = [loss_of(data, recipe(seed, asked.steps, dropout=0.1)) for seed in seeds]
        alarm = paired_interval(plain, equal)
        alarms += alarm is not None and alarm.excludes_zero
        both = paired_interval(plain, dropped), unpaired_interval(plain, dropped)
        halves.append([half(one) for one in both])
        for position, one in enumerate(both):
            seen[position] += one is not None and one.excludes_zero
    paired, unpaired = (statistics.median(each) for each in zip(*halves, strict=True))
    runs = 3 * asked.tries * asked.seeds
    print(f"{asked.tries} tries of {asked.seeds} seeds, {runs} runs of {asked.steps} steps, "
          f"{time.process_time() - began:.0f} s of one core")  # fmt: skip
    print(f"equal recipes: a difference is seen in {alarms} of {asked.tries} tries "
          f"({100 * alarms / asked.tries:.1f} %; 5 % are expected)")  # fmt: skip
    print(f"dropout 0 or 0.1, same seeds: the interval is ± {paired:.4f} nats with pairs, ± {unpaired:.4f} without "
          "(medians); a difference is seen in "
          f"{seen[0]} and {seen[1]} of {asked.tries} tries")  # fmt: skip
    print(json.dumps({"tries": asked.tries, "false_alarms": alarms, "paired": paired, "unpaired": unpaired,
                      "seen_paired": seen[0], "seen_unpaired": seen[1]}))  # fmt: skip


if __name__ == "__main__":
    main()
