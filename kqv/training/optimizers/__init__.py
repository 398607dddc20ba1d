"""Optimizers: how a weight learns from its gradient. Each rule is written by hand and explained number by number;
fused or stacked kernels do the same faster, and a test holds the two equal."""

from __future__ import annotations

from kqv.training.optimizers.adamw import AdamW, AdamWOptimizer
from kqv.training.optimizers.gradient_descent import GradientDescent, GradientDescentOptimizer
from kqv.training.optimizers.muon import Muon, MuonOptimizer
from kqv.training.optimizers.optimizer import Optimizer

__all__ = [
    "AdamW", "AdamWOptimizer", "GradientDescent", "GradientDescentOptimizer", "Muon", "MuonOptimizer", "Optimizer",
]  # fmt: skip
