"""What `--json` prints: one object, of which every part is JSON as the standard has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from kqv.files.json_values import finite


def print_json(content: Mapping[str, Any]) -> None:
    """Print one object to standard output; a number that JSON has no word for (NaN, infinite) becomes null."""
    sys.stdout.write(json.dumps(finite(content), allow_nan=False) + "\n")
