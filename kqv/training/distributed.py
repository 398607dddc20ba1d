"""Several processes that train one model: each takes its part of every batch, and their gradients are averaged.

    torchrun --nproc-per-node 2 -m kqv train digits

The batches are those of a single process, and a part counts by how many examples it has; so the result is that of a
single process up to rounding (chance inside the model, such as dropout, is each process's own). The first process
writes and prints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kqv.errors import Error


@dataclass(frozen=True)
class Group:
    """The processes that train together; `rank` is this one's number from 0. A process alone is a group of one."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

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

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model to compute with: its gradients are averaged over all processes during the backward pass."""
        return model if self.size == 1 else nn.parallel.DistributedDataParallel(model)

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


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group that torchrun started, each process on its own GPU where they compute on GPUs; without torchrun, alone.

    Raises `Error` when there are more processes than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(device=device)
        return
    if device.type == "mps":
        raise Error("several processes cannot share Apple's GPU; choose --device cpu, or start kqv without torchrun")
    if device.type == "cuda":
        local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= there:
            raise Error(f"there are more processes than GPUs ({there}); give torchrun --nproc-per-node {there}")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield Group(int(os.environ["RANK"]), size, device)
    dist.barrier()  # nobody leaves while another still needs an answer
    # The group is not taken down: its threads sometimes abort the process that does. The command line leaves without.
