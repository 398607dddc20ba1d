"""Which device computes, and why a run that is resumed elsewhere may differ in the last bits."""

from __future__ import annotations

from contextlib import suppress

import torch

from kqv.errors import Error
from kqv.training.distributed import Group
from kqv.training.run import Run


def choose_device(name: str) -> torch.device:
    """`auto`: a GPU where there is one, else the CPU; `Error` for a device that is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind in ("cuda", "mps") if present[kind]), "cpu"))
    if name not in present:
        raise Error(f"there is no device {name!r}; choose one of: auto, {', '.join(present)}")
    if not present[name]:
        raise Error(f"this machine has no {name} device that PyTorch can use; choose --device auto or cpu")
    return torch.device(name)


def device_of(run: Run) -> torch.device:
    """The kind of device that a run was begun on, or the best one where this machine has none of it."""
    with suppress(Error):
        return choose_device(run.config.device)
    return choose_device("auto")


def what_differs(run: Run, group: Group) -> list[str]:
    """Why a run resumed here may differ in the last bits from where it was started: a line for each reason."""
    config = run.config
    before = {"device": config.device, "processes": str(config.processes), "torch": config.versions.get("torch", "?")}
    now = {"device": group.device.type, "processes": str(group.size), "torch": str(torch.__version__)}
    return [f"{name} {before[name]} then, {now[name]} now" for name in before if before[name] != now[name]]
