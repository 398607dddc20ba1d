"""A recogniser of digits as a graph of ONNX: bytes of pictures in, probabilities of the classes out."""

from __future__ import annotations

import torch

from kqv.errors import Error
from kqv.interchange.onnx_graph import Graph, Scope, form_of
from kqv.interchange.onnx_parts import ACTIVATIONS
from kqv.models.convolutional import Convolution, ConvolutionalNetwork, MaxPooling
from kqv.models.dense import Layer
from kqv.models.network import Network
from kqv.models.recogniser import Recogniser

BATCH, PICTURES, LOGITS, PROBABILITIES = "batch", "pictures", "logits", "probabilities"


def graph_of(model: Recogniser) -> Graph:
    """`pictures[batch, row, column]`, bytes from 0 to 255 with light ink on dark ground, to `probabilities[batch,
    class]`, and where the last layer gives them to `logits` too. Raises `Error` for a model that is not known here."""
    graph = Graph()
    at = Scope(graph)
    shape: tuple[int | str, int | str] = model.shape if isinstance(model, ConvolutionalNetwork) else ("row", "column")
    pictures = graph.input(PICTURES, torch.uint8, BATCH, *shape)
    numbers = at.add("Mul", at.add("Cast", pictures, to=torch.float32), at.number(1 / 255))
    if isinstance(model, ConvolutionalNetwork):
        a = at.add("Reshape", numbers, at.whole(-1, 1, *model.shape), name="picture")
        for number, feature in enumerate(model.features):
            a = _feature(at.into(f"features.{number}"), feature, a)
        a = at.add("Flatten", a, axis=1)
    elif isinstance(model, Network):
        a = at.add("Reshape", numbers, at.whole(-1, model.pixels), name="x")
    else:
        raise Error(f"{model.describe()} is not written to ONNX here; networks and convolutional networks are")
    last = len(model.layers) - 1
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        a = _layer(at, number, layer, a, LOGITS if number == last and layer.activation is None else "")
    _outputs(at, model, a)
    return graph


def _outputs(at: Scope, model: Recogniser, a: str) -> None:
    shape = BATCH, len(model.classes)
    if model.cost == "quadratic":  # the last layer gives probabilities
        at.add("Identity", a, name=PROBABILITIES)
    else:
        softmax = model.output == "softmax"
        at.add("Softmax" if softmax else "Sigmoid", a, name=PROBABILITIES, **({"axis": -1} if softmax else {}))
    at.graph.output(PROBABILITIES, *shape)
    if model.cost != "quadratic":
        at.graph.output(LOGITS, *shape)


def _layer(root: Scope, number: int, layer: Layer, a: str, name: str) -> str:
    at = root.into(f"layers.{number}")
    weight, bias = at.weight("weight", layer.weight), at.weight("bias", layer.bias)
    if name:
        return root.add("Gemm", a, weight, bias, name=name, transB=1)
    z = at.add("Gemm", a, weight, bias, name="z", transB=1)
    return z if layer.activation is None else form_of("activation", layer.activation, ACTIVATIONS)(at, z)


def _feature(at: Scope, module: object, a: str) -> str:
    if isinstance(module, MaxPooling):
        sides = [module.size] * 2
        return at.add("MaxPool", a, name="pooled", kernel_shape=sides, strides=sides)
    assert isinstance(module, Convolution)
    weight, bias = at.weight("weight", module.weight), at.weight("bias", module.bias)
    z = at.add("Conv", a, weight, bias, name="z", pads=[module.padding] * 4)
    return form_of("activation", module.activation, ACTIVATIONS)(at, z)
