"""Writing a graph as a file of ONNX, by the package `onnx`; numbers past what one file holds go into one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from onnx import TensorProto, helper
from torch import Tensor

import kqv
from kqv.interchange.onnx_graph import OPSET, Graph, Node, Port

LARGEST = 2_000_000_000
"""Bytes of numbers that a file holds itself: Protocol Buffers end at 2 GiB."""

IR_VERSION = 8
"""The version of the file format that goes with the operators' version."""

TYPES = {
    torch.float32: TensorProto.FLOAT, torch.int64: TensorProto.INT64, torch.bool: TensorProto.BOOL,
    torch.uint8: TensorProto.UINT8,
}  # fmt: skip


def write_file(path: Path, graph: Graph, description: str, metadata: Mapping[str, str]) -> None:
    """Write the graph to `path`, and its numbers to a file beside it (`data_name`) where they are more than `LARGEST`.

    Raises `OSError` as the disk does.
    """
    model = helper.make_model(
        helper.make_graph(
            [_node(node) for node in graph.nodes], path.stem, [_value(port) for port in graph.inputs],
            [_value(port) for port in graph.outputs],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="kqv",
        producer_version=kqv.__version__, doc_string=description,
    )  # fmt: skip
    helper.set_model_props(model, dict(metadata))
    if graph.size > LARGEST:
        _write_beside(path.with_name(data_name(path)), graph, model)
    else:
        model.graph.initializer.extend(_held(name, tensor) for name, tensor in graph.numbers.items())
    path.write_bytes(model.SerializeToString())


def data_name(path: Path) -> str:
    """The name of the file with numbers, as other exporters have it."""
    return f"{path.name}_data"


def _write_beside(path: Path, graph: Graph, model: Any) -> None:
    """One tensor after the other, so that only one is there twice; constants stay in the file itself, for those who
    look at shapes before they load."""
    with path.open("wb") as file:
        for name, tensor in graph.numbers.items():
            if tensor.dtype != torch.float32 or tensor.dim() == 0:
                model.graph.initializer.append(_held(name, tensor))
                continue
            start, content = file.tell(), TensorProto(name=name, data_type=TYPES[tensor.dtype], dims=tensor.shape)
            size = file.write(_bytes(tensor))
            content.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path.name), ("offset", str(start)), ("length", str(size))):
                content.external_data.add(key=key, value=value)
            model.graph.initializer.append(content)


def _held(name: str, tensor: Tensor) -> TensorProto:
    """A tensor with its numbers."""
    return helper.make_tensor(name, TYPES[tensor.dtype], tensor.shape, _bytes(tensor), raw=True)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.cpu().contiguous().numpy().tobytes()


def _node(node: Node) -> Any:
    attributes: dict[str, Any] = {
        name: TYPES[value] if isinstance(value, torch.dtype) else value for name, value in node.attributes.items()
    }
    return helper.make_node(node.kind, node.inputs, node.outputs, name=node.outputs[0], **attributes)


def _value(port: Port) -> Any:
    return helper.make_tensor_value_info(port.name, TYPES[port.dtype], list(port.shape))
