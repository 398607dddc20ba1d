"""One run as the lab watches it: what it is, how it stands, and what has changed since it was last looked at."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

from kqv.errors import Error
from kqv.lab.training.children import Child
from kqv.lab.training.measurements import GrowingCurves, Newest, newest
from kqv.systems.fields import fields_of
from kqv.systems.system import SYSTEMS, system_named
from kqv.tensors import opened
from kqv.training.run import CHECKPOINT, CONFIG, METRICS, SAMPLES, Config, Run
from kqv.training.standing import Standing, standing_of

BUSY = ("starting", "running", "stopping")
"""States in which a process works on a run."""

FILES = (CONFIG, CHECKPOINT, METRICS, SAMPLES)

Signature = tuple[tuple[float, int] | None, ...]


@dataclass(eq=False)
class WatchedRun:
    """A run of the lab's folder; `child`: the process that the lab started for it, if it did."""

    run: Run
    child: Child | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    _curves: GrowingCurves | None = None
    _signature: Signature = ()
    _has_trained: bool = False
    _begun_at: int = 0

    def look(self) -> bool:
        """Whether there is anything new of it; then its summary is."""
        signature = self._seen()
        if signature == self._signature and self.summary.get("state") not in BUSY:
            return False
        before, self.summary = self.summary, self._summary()
        self._signature = signature
        return self.summary != before

    def _seen(self) -> Signature:
        found: list[tuple[float, int] | None] = []
        for name in FILES:
            try:
                facts = os.stat(self.run.path / name)  # noqa: PTH116 - four a run and second
            except OSError:
                found.append(None)
            else:
                found.append((facts.st_mtime, facts.st_size))
        return (*found, (float(self.child.is_alive), 0) if self.child is not None else None)

    def _summary(self) -> dict[str, Any]:
        name = self.run.path.name
        found: dict[str, Any] = {"name": name, "state": "running", "saved": 0}
        try:
            config = self.run.config
            standing = standing_of(self.run)
        except Error as failure:
            return found | {"state": "damaged", "problem": str(failure)}
        recipe, numbers = config.recipe, newest(self.run.path / METRICS)
        state, problem = self._state(standing, numbers)
        steps = recipe.training.steps or 0
        return found | {
            "system": recipe.system, "recipe": recipe.name, "data": recipe.data.name, "state": state,
            "problem": problem, "steps": steps, "saved": standing.step, "step": max(numbers.step, standing.step),
            "seconds": numbers.seconds, "numbers": numbers.numbers, "changed": self.run.changed,
            "ours": self.child is not None and self.child.is_alive, **_pace(self.run, config, numbers, steps),
        }  # fmt: skip

    def _state(self, standing: Standing, numbers: Newest) -> tuple[str, str]:
        """Its state, and what went wrong: a run whose measurements go beyond what is saved was not stopped but ended
        in the midst of its work."""
        if self.child is not None and self.child.is_alive:
            return self._state_of(self.child, standing, numbers), ""
        if standing.state == "training":
            return "running", ""
        if standing.state == "finished":
            return "finished", ""
        if self.child is not None and self.child.failed:
            return "died", self.child.last_words()
        if numbers.step > standing.step:
            return "died", f"it ended at step {numbers.step:,} without saving; step {standing.step:,} is saved"
        return "stopped", ""

    def _state_of(self, child: Child, standing: Standing, numbers: Newest) -> str:
        """The state of a run whose process lives, which begins before it trains and ends after it; the training itself
        may be over between two looks."""
        self._has_trained |= standing.state == "training" or numbers.step > self._begun_at
        if child.asked_to_stop:
            return "stopping"
        return "running" if self._has_trained else "starting"

    def take(self, child: Child | None) -> None:
        """Let a process of the lab be the one that trains it."""
        if child is not self.child:
            self.child, self._has_trained, self._begun_at = child, False, self.summary.get("step", 0)

    def curves(self) -> GrowingCurves:
        """All that was measured, up to now."""
        if self._curves is None:
            self._curves = GrowingCurves(self.run.path / METRICS)
        self._curves.read()
        return self._curves

    def forget_curves(self) -> None:
        """Free the memory that its curves take."""
        self._curves = None

    def described(self) -> dict[str, Any]:
        """All that can be said of it: its summary as it was last looked at, its recipe field by field, and what can be
        done with it."""
        if self.summary["state"] == "damaged":
            return self.summary
        config = self.run.config
        recipe, system = config.recipe, system_named(config.recipe.system)
        return self.summary | {
            "config": {
                "device": config.device, "threads": config.threads, "versions": config.versions,
                "facts": config.data.model_dump(), "weights_from": config.weights_from,
                "fields": {path: value for path, value in fields_of(recipe).items() if value not in (None, [], ())},
                "seed": recipe.training.seed, "parameters": _parameters(self.run), "epoch": system.epoch(self.run),
            },
            "curves": list(self.curves().curves), "path": str(self.run.path),
            "command": f"kqv train {recipe.system} --resume {self.run.path}",
            "next": system.next_steps(self.run.path),
        }  # fmt: skip


def starting(name: str, child: Child) -> dict[str, Any]:
    """The summary of a run whose folder is not made yet; or of one that was never made, and why."""
    found: dict[str, Any] = {
        "name": name, "state": "starting", "saved": 0, "step": 0, "steps": 0, "numbers": {}, "seconds": 0.0,
        "problem": "", "ours": child.is_alive, "command": child.command,
    }  # fmt: skip
    if child.is_alive:
        return found | {"state": "stopping"} if child.asked_to_stop else found
    return found | {"state": "died" if child.failed else "stopped", "problem": child.last_words()}


def _pace(run: Run, config: Config, numbers: Newest, steps: int) -> dict[str, Any]:
    """Steps and examples a second, and the seconds left."""
    speed = numbers.steps_per_second
    found: dict[str, Any] = {"steps_per_second": speed, "examples_per_second": None, "unit": "examples", "left": None}
    if config.recipe.system in SYSTEMS:
        system = system_named(config.recipe.system)
        found["unit"] = "pairs" if config.data.batches else system.unit
        if speed is not None:
            found["examples_per_second"] = speed * config.data.train / system.epoch(run)
    if speed:
        found["left"] = max(0, steps - numbers.step) / speed
    return found


def _parameters(run: Run) -> int:
    """How many weights and biases the file holds."""
    return opened(run.model_file, lambda file: sum(_sizes(file)))


def _sizes(file: Any) -> list[int]:
    return [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118 - it is no dict
