"""How far a sum of parts may be from the number that the model computed."""

from __future__ import annotations

from kqv.errors import Error
from kqv.trace.explanation import TOLERANCE


def require_sum(what: str, found: float, size: float, value: float) -> None:
    """Raise `Error` where the sum of the parts is further from the shown value than rounding explains: 1e-5·Σ|terms|.

    Then something goes into the number that the split does not know.
    """
    if abs(found - value) > TOLERANCE * size:
        raise Error(
            f"the parts of {what} sum to {found:.6g}, where the model computed {value:.6g}: something goes into it "
            "that the split does not know, so it is not shown"
        )
