"""Experiments: one question, several trainings side by side, one figure."""
