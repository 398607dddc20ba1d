"""The order of what pages are told: an answer to a request may reach a page after an event that came later."""

from __future__ import annotations

import time
from typing import Any


class Told:
    """Stamps summaries with the time at which they held, `told`: seconds since 1970, each later than the one before.

    To be used under the lock that guards what they are about; pages leave those alone that are older than what they
    know.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, summary: dict[str, Any]) -> dict[str, Any]:
        """The summary with its time."""
        self._last = max(time.time(), self._last + 1e-6)
        return summary | {"told": self._last}
