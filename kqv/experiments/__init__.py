"""Experiments: one question, several trainings that differ in one thing, one figure."""
