"""An environment that is not torchrun's is named before anybody waits for others."""

from __future__ import annotations

import pytest
import torch

from kqv.errors import Error
from kqv.training.distributed import joined


@pytest.mark.parametrize(("environment", "words"), [
    ({}, "WORLD_SIZE is 2 with RANK and MASTER_ADDR and MASTER_PORT missing"),
    ({"RANK": "0", "MASTER_PORT": "1"}, "WORLD_SIZE is 2 with MASTER_ADDR missing"),
    ({"RANK": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}, "WORLD_SIZE is 2 with RANK 2"),
    ({"RANK": "x", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}, "RANK is 'x'"),
])  # fmt: skip
def test_what_torchrun_did_not_set(environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environment | {"WORLD_SIZE": "2"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Error, match=words), joined(torch.device("cpu")):
        pass
