"""`kqv tour`: a few minutes from a handwritten digit to a trained network, with embedded data alone."""

from __future__ import annotations


def tour() -> None:
    """See a network learn handwritten digits, recognise some, and explain one number; needs no network."""
    from kqv.cli.tour_digits import digits_stage

    digits_stage()
