"""Four processes train together, one is killed: all end with a line, and any number of processes goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

if Path("/proc/self/stat").exists():
    from commands import Command
    from together import NUMBERS, begun_together, one_killed, wrong_ends

    from kqv.training.run import Run

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the attacks need Linux"),
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch has no gloo"),
]
WORDS = ("train", "adder", "--steps", "8", "--batch", "16", "--out", "run")


def _losses(run: Path) -> list[float]:
    return [line["loss"] for line in Run(run).metrics() if "loss" in line]


def test_one_of_four_is_killed_and_one_two_four_and_one_go_on(tmp_path: Path) -> None:
    here, alone = tmp_path / "here", tmp_path / "alone"
    here.mkdir()
    alone.mkdir()
    assert not wrong_ends(one_killed(WORDS, here, 4, 3, 2), 2)
    assert Command(WORDS, alone).begin().ended().status == 0
    for done, size in enumerate(NUMBERS):
        words = ("train", "adder", "--resume", "run", "--steps", str(8 + 4 * done))
        ended = [one.ended() for one in begun_together(words, here, size)]
        assert [one.status for one in ended] == [0] * size, ended
        assert Command(words, alone).begin().ended().status == 0
    found, wanted = _losses(here / "run"), _losses(alone / "run")
    assert len(wanted) == 20
    assert found == pytest.approx(wanted, abs=1e-4)
