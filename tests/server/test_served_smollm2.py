"""A real model that was taught to talk: SmolLM2 of 135 million parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from kqv.data.sources import find, lookup

SOURCE = lookup("smollm2")
IS_HERE = all(find(SOURCE, file) for file in SOURCE.files)


@pytest.mark.skipif(not IS_HERE, reason="SmolLM2 is not here: kqv data fetch smollm2, or set KQV_DATA to where it is")
def test_it_knows_the_capital_of_france(asking: Callable[..., TestClient]) -> None:
    asked = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0}
    found = asking("smollm2").post("/v1/chat/completions", json={**asked, "max_tokens": 12}).json()
    assert "Paris" in found["choices"][0]["message"]["content"]
    assert found["choices"][0]["finish_reason"] == "stop"
