"""What the tests of the operations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kqv.operations import OPERATIONS


@pytest.fixture(params=["definition", "kernel"])
def pair(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each test that uses this runs with all definitions and with all kernels in place."""
    before = {operation.name: operation.pair for operation in OPERATIONS.values()}
    for operation in OPERATIONS.values():
        kernel = operation.kernel or operation.definition
        operation.pair = kernel if request.param == "kernel" else operation.definition
    yield request.param
    for operation in OPERATIONS.values():
        operation.pair = before[operation.name]
