"""How a single number is written: `layers.1.z[0,7]`, `grad:layers.0.weight[7,300]`, `update:layers.0.weight[7,300]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kqv.errors import TraceError

PHASES = ("forward", "backward", "update")
_PREFIX = {"": "forward", "grad": "backward", "update": "update"}
_PATTERN = re.compile(r"^(?:(?P<prefix>[a-z]+):)?(?P<name>[^\[\]:]+)(?:\[(?P<index>[^\]]*)\])?$")


@dataclass(frozen=True)
class Cell:
    """One number of a trace: which phase, which tensor, which place."""

    phase: str
    name: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return cell_text(self.phase, self.name, self.index)


def cell_text(phase: str, name: str, index: tuple[int, ...]) -> str:
    """The cell as it is typed."""
    prefix = {"forward": "", "backward": "grad:", "update": "update:"}[phase]
    return f"{prefix}{name}[{', '.join(map(str, index))}]" if index else f"{prefix}{name}"


def parse_cell(text: str) -> Cell:
    """Read a cell; places may carry their dimension's name (`scores[head=2, query=0, key=1]` in the tensor's order).

    Raises `TraceError` with an example when it cannot be read.
    """
    match = _PATTERN.match(text.strip())
    prefix = (match["prefix"] or "") if match else ""
    if match is None or prefix not in _PREFIX:
        raise TraceError(
            f"cannot read the cell {text!r}; write a name and its places, as in 'layers.1.z[0,7]', "
            "'grad:layers.0.weight[7,300]' or 'update:layers.0.weight[7,300]'"
        )
    items = [item.split("=")[-1].strip() for item in (match["index"] or "").split(",") if item.strip()]
    try:
        index = tuple(int(item) for item in items)
    except ValueError:
        raise TraceError(f"cannot read the places in {text!r}; expected whole numbers, as in 'layers.1.z[0,7]'") from None
    return Cell(_PREFIX[prefix], match["name"].strip(), index)
