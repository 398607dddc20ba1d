"""The arithmetic of one number as a few lines: the numbers in their positions, and where each is from."""

from __future__ import annotations

from kqv.arithmetic import Expression, Rendering, number

_TERMS = 5
_STEPS = 4
_SOURCES = 8


def arithmetic_lines(expression: Expression) -> list[str]:
    """`= 0.2·0.5 + …`, the intermediate results with their own arithmetic, and the elements that were used."""
    rendering = Rendering(_TERMS)
    lines = [f"{number(expression.value())} = {expression.text(rendering)}"]
    shown = 0
    while shown < min(len(rendering.named), _STEPS):  # the text of one may bring further ones
        (symbol, value), meaning = list(rendering.named.items())[shown]
        lines.append(f"{symbol} = {number(value)} = {meaning.text(rendering)}")
        shown += 1
    sources = [f"{name} = {number(value)}" for name, value in rendering.sources.items()]
    more = f", and {len(sources) - _SOURCES} more" if len(sources) > _SOURCES else ""
    return [*lines, f"with {', '.join(sources[:_SOURCES])}{more}"]
