"""Several processes train the model that one alone would have trained."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kqv.training.run import Run

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3", "-m", "kqv"]


@pytest.fixture
def pictures(here: Path, small_data: Any) -> Path:
    """A folder of which 41 pictures train: batches of 10 make parts of 3, 3 and 4, and the last is a single picture."""
    from PIL import Image

    for split, part, amount in (
        ("train", small_data.train, 41),
        ("test", small_data.test, 20),
        ("validation", small_data.validation, 20),
    ):
        for number, (pixels, label) in enumerate(zip(part.pixels[:amount], part.labels[:amount], strict=True)):
            folder = Path("pictures", split, str(label))
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return Path("pictures")


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch has no gloo")
def test_three_processes_are_as_one(ended: Callable[..., Any], kqv: Callable[..., Any], pictures: Path) -> None:
    words = ("train", "digits", "--recipe", "nielsen", "--data", str(pictures), "--device", "cpu", "--json")
    begun = ended(*words, "--steps", 12, before=TORCHRUN)
    assert begun.status == 0, begun.err
    run = Run(Path("runs/nielsen-pictures-1"))
    assert begun.json["run"] == str(run.path), "one process alone prints"
    assert len(list(Path("runs").iterdir())) == 1, "one process alone writes"
    assert run.config.processes == 3
    assert run.config.data.train == 41
    further = ended("train", "digits", "--resume", run.path, "--steps", 24, "--json", before=TORCHRUN)
    assert further.status == 0, further.err
    assert kqv(*words, "--steps", 24, "--out", "alone").status == 0
    alone = Run(Path("alone"))
    theirs, ours = (load_file(found.model_file) for found in (run, alone))
    assert theirs.keys() == ours.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(theirs[name], weight, rtol=0, atol=1e-5)
    losses = [[line["loss"] for line in found.metrics() if "loss" in line] for found in (run, alone)]
    assert len(losses[0]) == 24
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
