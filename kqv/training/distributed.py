"""Several processes that train one model: each takes its part of every batch, and their gradients are averaged.

    torchrun --nproc-per-node 2 -m kqv train digits

The batches are those of a single process, and a part counts by how many examples it has; so the result is that of a
single process up to rounding (chance inside the model, such as dropout, is each process's own). The first process
writes and prints.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kqv.errors import Error


@dataclass(frozen=True)
class Group:
    """The processes that train together; `rank` is this one's number from 0. A process alone is a group of one.

    `shards`: each keeps only some rows of every parameter, with their gradients and what the optimizer remembers, and
    gathers a block's others while it computes it (FSDP2; Zhao et al. 2023). Else each has the whole model (DDP).
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    shards: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def part(self, examples: int) -> tuple[slice, float]:
        """This process's part of so many examples, and the weight with which the parts' means make the mean of all."""
        first, end = (rank * examples // self.size for rank in (self.rank, self.rank + 1))
        if first == end:  # fewer examples than processes: there is no mean of none, so one example that counts nothing
            return slice(0, 1), 0.0
        return slice(first, end), (end - first) * self.size / examples

    def wrap(self, computed: nn.Module, model: nn.Module | None = None) -> nn.Module:
        """What to compute with: its gradients are averaged over all processes during the backward pass. `model`: the
        part of it that has the parameters, if it is not the whole."""
        if self.size == 1:
            return computed
        if not self.shards:
            return nn.parallel.DistributedDataParallel(computed)
        shard(model or computed, self.device.type)
        return computed

    @contextmanager
    def gathered(self, model: nn.Module) -> Iterator[None]:
        """Inside, each process has the whole model, which it can use alone."""
        self._gather(model)
        try:
            yield
        finally:
            self._scatter(model)

    @contextmanager
    def scattered(self, model: nn.Module) -> Iterator[None]:
        """Inside of `gathered`, each process has its own rows again: a state to be saved has no copies."""
        self._scatter(model)
        try:
            yield
        finally:
            self._gather(model)

    def _gather(self, model: nn.Module) -> None:
        for part in shards_of(model) if self.shards else []:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()

    def _scatter(self, model: nn.Module) -> None:
        for part in shards_of(model) if self.shards else []:
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean of all processes' tensors."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total / self.size

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """For each number the largest that any process gave: so all decide the same."""
        if self.size == 1:
            return numbers
        given = torch.tensor(numbers, device=self.device)
        dist.all_reduce(given, dist.ReduceOp.MAX)
        return tuple(given.tolist())

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """All processes' tensors of the same shape, by rank."""
        if self.size == 1:
            return [tensor]
        own = tensor.to(self.device)
        found = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(found, own)
        return [other.to(tensor.device) for other in found]

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """The first process runs the block before the others do: what it downloads or writes, they find."""
        if not self.is_first:
            self.largest(0)
        try:
            yield
        finally:
            if self.is_first:
                self.largest(0)


ALONE = Group()


def shard(model: nn.Module, device: str) -> None:
    """Leave this process its rows of each parameter; blocks are gathered one after another, the rest with the whole."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # what a model gives is a view, which the warning's case, to change it in place, is not done to
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    for blocks in model.modules():
        if isinstance(blocks, nn.ModuleList):
            for block in blocks:
                fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def shards_of(model: nn.Module) -> list[Any]:
    """The modules whose parameters are gathered together."""
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _environment(name: str, usual: int) -> int:
    """A number that torchrun puts into the environment; `Error` for anything else that stands there."""
    text = os.environ.get(name, "").strip() or str(usual)
    if not text.isdecimal():
        raise Error(f"{name} is {text!r}, but a number as torchrun sets it was expected; unset it to train alone")
    return int(text)


def _rank_of(size: int) -> int:
    """This process's number; `Error` where the environment has not all that torchrun puts there."""
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name, "").strip()]
    rank = _environment("RANK", 0)
    if missing or rank >= size:
        found = f"{' and '.join(missing)} missing" if missing else f"RANK {rank}"
        raise Error(
            f"WORLD_SIZE is {size} with {found}, but all of torchrun's settings were expected; start the processes with"
            " torchrun, or unset WORLD_SIZE to train alone"
        )
    return rank


@contextmanager
def joined(device: torch.device, shards: bool = False) -> Iterator[Group]:
    """The group that torchrun started, each process on its own GPU where they compute on GPUs; without torchrun, alone.

    Raises `Error` when there are more processes than GPUs, and where a process alone is to share the model's
    parameters with others.
    """
    size = _environment("WORLD_SIZE", 1)
    if size <= 1:
        if shards:
            raise Error("--shard splits a model over several processes; start them with torchrun --nproc-per-node 2")
        yield Group(device=device)
        return
    if device.type == "mps":
        raise Error("several processes cannot share Apple's GPU; choose --device cpu, or start kqv without torchrun")
    if device.type == "cuda":
        local, there = _environment("LOCAL_RANK", 0), torch.cuda.device_count()
        if local >= there:
            raise Error(f"there are more processes than GPUs ({there}); give torchrun --nproc-per-node {there}")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    rank = _rank_of(size)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield Group(rank, size, device, shards)
    dist.barrier()  # nobody leaves while another still needs an answer
    # The group is not taken down: its threads sometimes abort the process that does. The command line leaves without.
