"""Several processes, each with the whole model or a part of it, train what one alone trains; a run is resumed by
another number of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import multiprocessing

from kqv.systems.changes import Changes
from kqv.systems.system import Asked, Watcher, system_named
from kqv.systems.training import begin, resume
from kqv.training.distributed import Group, joined
from kqv.training.loop import Trainer
from kqv.training.run import Run

pytestmark = [
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch has no gloo"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process"),
]

STEPS = 8
TEXT = "".join(f"{a} plus {b} is {a + b}.\n" for a in range(12) for b in range(40))
SMALL: dict[str, Any] = {"heads": 2, "width": 16, "batch": 5}
CASES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "muon": ("gpt", "gpt", {**SMALL, "layers": 2, "context": 16, "data": "text.txt", "dropout": 0.0}),
    "adamw": ("gpt", "nanogpt-cpu", {**SMALL, "layers": 1, "context": 16, "data": "text.txt"}),
    "translator": ("translate", "multi30k-en-de", {
        "heads": 2, "width": 16, "layers": 1, "batch": 60, "dropout": 0.0, "data": "pairs.tsv", "vocab": 300,
        "source": "de", "target": "en", "form": "raw",
    }),
    "network": ("digits", None, {"width": 9, "layers": 2, "dropout": 0.0}),
    "gradient descent": ("digits", "nielsen", {"data": "digits8x8", "width": 7}),
}  # fmt: skip
"""System, recipe and changes: AdamW with a clip, Muon, an average of the weights, biases; of odd sizes, so that rows do
not share out evenly."""
WHOLE = ("muon", "translator")
"""What is also trained by processes of which each has the whole model."""


def trained(case: str, out: Path, group: Group) -> None:
    """Train it in a group, all steps."""
    system, recipe, changes = CASES[case]
    asked = Asked(recipe, Changes(steps=STEPS, **changes))
    begin(system_named(system), asked, out, group, Watcher()).trainer.train()


def begun(case: str, out: Path, group: Group, until: int) -> None:
    """Begin a training of `STEPS`, and leave it at a step."""
    system, recipe, changes = CASES[case]
    asked = Asked(recipe, Changes(steps=STEPS, **changes))
    stopped(begin(system_named(system), asked, out, group, Watcher()).trainer, until)


def further(case: str, out: Path, group: Group, until: int) -> None:
    """Train it further, up to a step."""
    stopped(resume(system_named(CASES[case][0]), Run(out), group, Watcher()), until)


def stopped(trainer: Trainer, until: int) -> None:
    """Train up to a step."""
    trainer.steps = until
    trainer.train()


def _worker(rank: int, size: int, port: int, work: list[tuple[Any, bool, tuple[Any, ...]]]) -> None:
    """One of several processes: does all of the work with the others."""
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip
    with joined(torch.device("cpu")) as group:
        for do, shards, given in work:
            do(*given[:2], Group(group.rank, group.size, group.device, shards), *given[2:])
            group.largest(0)  # until the first one has written everything
    os._exit(0)


def together(size: int, *work: tuple[Any, bool, tuple[Any, ...]]) -> None:
    """Do some work in so many processes, which are forked: they need not import everything anew."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    multiprocessing.start_processes(_worker, (size, port, list(work)), nprocs=size, start_method="fork")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a text and pairs, in which runs are trained: by one process, and by two and three together."""
    found, before = tmp_path_factory.mktemp("several"), Path.cwd()
    (found / "text.txt").write_text(TEXT, encoding="utf-8")
    (found / "pairs.tsv").write_text("".join(f"{a} und {b}\t{a} and {b}\n" for a in range(9) for b in range(9)))
    os.chdir(found)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for case in CASES:
        trained(case, Path("alone", case), Group())
    together(2, *((trained, True, (case, Path("shards", case))) for case in CASES))
    together(
        3, *((trained, False, (case, Path("whole", case))) for case in WHOLE),
        (begun, False, ("muon", Path("stages"), 2)), (further, True, ("muon", Path("stages"), 4)),
    )  # fmt: skip
    yield found
    torch.set_num_threads(threads)
    os.chdir(before)


def differing(one: Path, other: Path) -> float:
    """The largest difference between two runs' weights."""
    ours, theirs = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@pytest.mark.parametrize(("how", "case"), [*(("shards", case) for case in CASES), *(("whole", case) for case in WHOLE)])
def test_several_processes_train_what_one_alone_trains(folder: Path, how: str, case: str) -> None:
    assert differing(folder / how / case, folder / "alone" / case) < 1e-4
    losses = [
        [line["loss"] for line in Run(folder / which / case).metrics() if "loss" in line] for which in (how, "alone")
    ]
    assert len(losses[0]) == STEPS
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_run_is_resumed_by_another_number_of_processes(folder: Path) -> None:
    further("muon", Path("stages"), Group(), 6)
    together(2, (further, True, ("muon", Path("stages"), STEPS)))
    assert differing(folder / "stages", folder / "alone" / "muon") < 1e-4
