"""What a step takes, counted where PyTorch dispatches its operations: bytes of tensors, and products' operations."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten
_COMPOSED = (_ATEN.linear, _ATEN.matmul)
"""Operations that are put together of counted ones."""

_OWN: dict[str, Callable[[Any], int]] = {
    "aten._scaled_dot_product_flash_attention_for_cpu": lambda given: _of_attention(2, given[0], given[1]),
    "aten._scaled_dot_product_flash_attention_for_cpu_backward": lambda given: _of_attention(5, given[1], given[2]),
    "mkldnn._linear_pointwise": lambda given: 2 * given[0].numel() * given[1].shape[0],
}
"""Floating-point operations of kernels that PyTorch's own counter does not know, by what the kernel is given.

Attention: q·kᵀ and w·v; backward the weights anew, and two products for each of the two. A linear map: x[*, in] by
W[out, in].
"""


def _of_attention(products: int, query: Tensor, key: Tensor) -> int:
    return 2 * products * query.numel() * key.shape[-2]


_ASKING: dict[Any, Callable[[Tensor], Any]] = {
    _ATEN.nonzero.default: lambda x: x.new_empty((0, x.dim()), dtype=torch.int64),
    _ATEN._local_scalar_dense.default: lambda x: (
        0.0 if x.is_floating_point() else False if x.dtype == torch.bool else 0
    ),
}
"""What only numbers could say, such as which rows are empty; of a tensor without numbers the answer is none."""


class TooLargeError(Exception):
    """A step needs more memory than it may take."""


class StepCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside of `with StepCount() as count:` tensors that are made are counted while they live, and what products
    compute.

    `live`, `peak`: bytes of the tensors that were made inside, now and at most. `flops`: floating-point operations of
    matrix products, convolutions and attention, a multiplication and an addition being two; of attention's no half
    is left out for the mask. `kernels`: how many operations computed something. `before`: tensors that are there
    already, which do not count when they change. Raises `TooLargeError` where `peak` goes beyond `limit`.
    """

    def __init__(self, before: Iterable[Tensor] = (), limit: float = float("inf")) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit = limit
        self.live = self.peak = self.flops = self.kernels = 0
        self._known: dict[int, Any] = {}
        for tensor in before:
            storage = tensor.untyped_storage()
            self._known[storage._cdata] = storage

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """PyTorch calls this in place of each operation."""
        if func in _ASKING and not _has_numbers(args[0]):
            return _ASKING[func](args[0])
        if func.overloadpacket in _COMPOSED:
            with self:
                return func.decompose(*args, **(kwargs or {}))
        output = func(*args, **(kwargs or {}))
        self.flops += _flops(func.overloadpacket, args, kwargs or {}, output)
        self.kernels += not (func.is_view or func.namespace == "prim")
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self._see(tensor)
        return output

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def freed(_: Any) -> None:
            self.live -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, freed)
        self.live += size
        self.peak = max(self.peak, self.live)
        if self.peak > self.limit:
            raise TooLargeError


def _flops(packet: Any, args: Any, kwargs: Any, output: Any) -> int:
    own = _OWN.get(str(packet))
    if own is not None:
        return own(args)
    count = flop_registry.get(packet)
    return 0 if count is None else int(count(*args, **kwargs, out_val=output))


def _has_numbers(tensor: Tensor) -> bool:
    """Whether it is a real tensor, and not one that only has a shape."""
    return type(tensor) is Tensor and not tensor.is_meta


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """How many bytes of memory tensors take together; what shares memory counts once."""
    storages = {storage._cdata: storage.nbytes() for storage in (tensor.untyped_storage() for tensor in tensors)}
    return sum(storages.values())
