"""Validation scores in a few words: what each system is judged by."""

from __future__ import annotations

from collections.abc import Mapping


def headline(scores: Mapping[str, float], prefix: str = "") -> str:
    """`accuracy 97.10 %`, or `BLEU 31.75, exact 8.2 %`; nothing where there is only a loss. `prefix` of the names."""
    found = []
    if f"{prefix}accuracy" in scores:
        found.append(f"accuracy {100 * scores[f'{prefix}accuracy']:.2f} %")
    if f"{prefix}bleu" in scores:
        found.append(f"BLEU {scores[f'{prefix}bleu']:.2f}")
    if f"{prefix}exact_match" in scores:
        found.append(f"exact {100 * scores[f'{prefix}exact_match']:.1f} %")
    return ", ".join(found)
