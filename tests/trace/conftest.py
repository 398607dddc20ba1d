"""What the tests of the trace share."""

from __future__ import annotations

import pytest
from small_gpt import Traced, trace_gpt


@pytest.fixture(scope="session")
def traced() -> Traced:
    """A two-block GPT: forward, backward and update."""
    return trace_gpt(step=True)


@pytest.fixture(scope="session")
def dropping() -> Traced:
    """The same in training mode with dropout, and with GELU by tanh."""
    return trace_gpt(step=True, dropout=0.3, feed_forward="gelu-tanh")
