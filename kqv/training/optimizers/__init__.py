"""Optimizers: how a weight learns from its gradient. Each rule is written by hand and explained number by number;
fused or stacked kernels do the same faster, and a test holds the two equal."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from kqv.training.optimizers.adamw import AdamW, AdamWOptimizer
from kqv.training.optimizers.gradient_descent import GradientDescent, GradientDescentOptimizer
from kqv.training.optimizers.muon import Muon
from kqv.training.optimizers.muon_optimizer import MuonOptimizer
from kqv.training.optimizers.optimizer import Optimizer
from kqv.training.optimizers.table import OPTIMIZERS, optimizer_named

__all__ = [
    "OPTIMIZERS",
    "AdamW",
    "AdamWOptimizer",
    "GradientDescent",
    "GradientDescentOptimizer",
    "Muon",
    "MuonOptimizer",
    "Optimizer",
    "optimizer_named",
]  # fmt: skip

for _file in iter_modules(__path__):  # each file that holds an optimizer adds it to the table
    import_module(f"{__name__}.{_file.name}")
