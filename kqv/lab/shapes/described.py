"""The shapes of a model for a page: every tensor with its dimensions, blocks folded, and how many numbers there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kqv.dimensions import VOCABULARY
from kqv.systems.sketch import Sketch
from kqv.trace.shapes import Shape, Shapes, shapes_of


def described(sketch: Sketch, changes: Mapping[str, int]) -> dict[str, Any]:
    """A model with some sizes changed. Raises `Error` for sizes that make no model."""
    changed = sketch.changed(changes)
    shapes = shapes_of(changed.trace())
    return {
        "title": changed.title,
        "sizes": dict(changed.sizes),
        "usual": dict(sketch.sizes),
        "tensors": [_tensor(shape) for shape in shapes.tensors if shape.block not in shapes.folded],
        "blocks": _blocks(shapes),
        "parts": [
            {"part": part, "parameters": parameters, "activations": activations}
            for part, (parameters, activations) in shapes.parts().items()
        ],
        "parameters": shapes.parameters,
        "activations": shapes.activations,
        "dimensions": _dimensions(shapes),
    }


def _tensor(shape: Shape) -> dict[str, Any]:
    return {
        "name": shape.name, "module": shape.module, "dimensions": list(shape.dimensions), "sizes": list(shape.sizes),
        "kind": shape.kind, "origin": shape.origin, "formula": shape.formula, "line": str(shape.location),
        "symbol": shape.symbol, "moved": shape.moved, "numbers": shape.numbers, "block": shape.block,
    }  # fmt: skip


def _blocks(shapes: Shapes) -> dict[str, int]:
    """How many blocks each that is shown stands for."""
    shown = {shape.block for shape in shapes.tensors if shape.block} - shapes.folded.keys()
    standing = Counter(shapes.folded.values())
    return {block: 1 + standing[block] for block in sorted(shown)}


def _dimensions(shapes: Shapes) -> dict[str, str]:
    """What the dimensions count that occur, in the order of the vocabulary."""
    found = {name for shape in shapes.tensors for name in shape.dimensions}
    return {name: meaning for name, meaning in VOCABULARY.items() if name in found}
