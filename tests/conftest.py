"""Shapes in the signatures of operations are checked in all tests, unless KQV_UNTYPED is set (compiled code)."""

from __future__ import annotations

import os

if not os.environ.get("KQV_UNTYPED"):
    from jaxtyping import install_import_hook

    install_import_hook("kqv.operations", "beartype.beartype")
