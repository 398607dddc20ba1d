"""The convolutional network: a twin from PyTorch's own layers, finite differences, and a trace down to the pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.convolutional import Convolution, ConvolutionalNetwork
from kqv.systems.digits.traced import trace_pictures
from kqv.trace.trace import Trace

CLASSES = ("cat", "dog", "cow")
PLAIN: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}

FORMS: dict[str, dict[str, Any]] = {
    "two convolutions": {"shape": (13, 12), "maps": (3, 4), "kernel": 3, "hidden": (7,)},
    "with padding": {"shape": (8, 9), "maps": (2, 3), "kernel": 5, "padding": 2, "hidden": (6, 5)},
    "tanh, no hidden layer": {"shape": (8, 8), "maps": (4,), "kernel": 3, "hidden": (), "activation": "tanh"},
    "sigmoid, pooling of three": {
        "shape": (14, 11), "maps": (3,), "kernel": 3, "pooling": 3, "hidden": (5,), "activation": "sigmoid",
    },
}  # fmt: skip


def network(form: str, **changes: Any) -> ConvolutionalNetwork:
    """A small network in float64 whose biases are random too."""
    torch.manual_seed(1)
    model = ConvolutionalNetwork(classes=CLASSES, **FORMS[form] | changes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.double()


def plain_twin(model: ConvolutionalNetwork, form: str) -> nn.Sequential:
    """The same network from PyTorch's own layers, with a copy of the weights."""
    plan = {"padding": 0, "pooling": 2, "activation": "relu", **FORMS[form]}
    activation = PLAIN[plan["activation"]]
    layers: list[nn.Module] = [nn.Unflatten(1, (1, *plan["shape"]))]
    for inputs, maps in zip([1, *plan["maps"]], plan["maps"], strict=False):
        convolution = nn.Conv2d(inputs, maps, plan["kernel"], padding=plan["padding"])
        layers += [convolution, activation(), nn.MaxPool2d(plan["pooling"])]
    layers.append(nn.Flatten())
    for number, layer in enumerate(model.layers):
        layers.append(nn.Linear(layer.weight.shape[1], layer.weight.shape[0]))
        layers += [activation()] if number < len(model.layers) - 1 else []
    twin = nn.Sequential(*layers).double()
    with torch.no_grad():
        for own, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            theirs.copy_(own)
    return twin


def batch(model: ConvolutionalNetwork) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand((4, model.pixels), dtype=torch.float64, generator=generator)
    return x, torch.tensor([2, 0, 1, 1])


@pytest.mark.parametrize("form", FORMS)
def test_outputs_and_every_gradient_are_the_twins(form: str) -> None:
    model = network(form)
    twin = plain_twin(model, form)
    x, labels = batch(model)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits, wanted = model(ours), twin(theirs)
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-12)
    loss, twin_loss = model.loss(logits, labels), nn.functional.cross_entropy(wanted, labels)
    assert loss.item() == pytest.approx(twin_loss.item(), abs=1e-12)
    loss.backward()
    twin_loss.backward()
    pairs = zip([ours, *model.parameters()], [theirs, *twin.parameters()], strict=True)
    for own, other in pairs:
        assert own.grad is not None
        assert other.grad is not None
        assert float(other.grad.norm()) > 0, "a gradient of zeros compares nothing"
        torch.testing.assert_close(own.grad, other.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_agree_with_finite_differences(form: str) -> None:
    model = network(form)
    x, labels = batch(model)
    model.loss(model(x), labels).backward()
    step, generator = 1e-6, torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        numbers = parameter.detach().view(-1)
        for position in torch.randint(0, len(numbers), (4,), generator=generator).tolist():
            costs = []
            for sign in (1, -1):
                with torch.no_grad():
                    numbers[position] += sign * step
                    costs.append(float(model.loss(model(x), labels)))
                    numbers[position] -= sign * step
            assert parameter.grad is not None
            found = float(parameter.grad.view(-1)[position])
            assert found == pytest.approx((costs[0] - costs[1]) / (2 * step), abs=1e-8), f"{name}, position {position}"


@pytest.mark.parametrize(
    ("shape", "changes", "says"),
    [
        ((8, 8), {}, "8×8 are too small for 2 convolutions of 5×5 with a pooling of 2×2"),
        ((28, 5), {"maps": (3,)}, "28×5 are too small for 1 convolutions of 5×5"),
        ((4, 28), {"maps": (3,)}, "4×28 are too small"),
        ((9, 9), {"maps": (2,), "pooling": 6}, "a pooling of 6×6"),
    ],
)
def test_pictures_that_are_too_small_are_refused(shape: tuple[int, int], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Error, match=f"{says}.*; take fewer or smaller ones") as refused:
        ConvolutionalNetwork(shape, CLASSES, **changes)
    assert len(str(refused.value).splitlines()) == 1


def test_the_smallest_picture_that_is_let_through_is_classified() -> None:
    with pytest.raises(Error, match="too small"):
        ConvolutionalNetwork((15, 16), CLASSES)
    model = ConvolutionalNetwork((16, 16), CLASSES)  # 16 − 4 = 12, pooled 6, 6 − 4 = 2, pooled 1
    assert model.layers[0].weight.shape[1] == 40
    assert len(model.classify(torch.zeros((2, 16, 16), dtype=torch.uint8))) == 2


@pytest.mark.parametrize("size", [(4, 155), (156,), (4, 12, 13)])
def test_wrong_input_is_refused_by_dimension(size: tuple[int, ...]) -> None:
    with pytest.raises(DimensionError, match=r"x\[batch, in=156\]"):
        network("two convolutions")(torch.zeros(size, dtype=torch.float64))


def test_a_verdict_is_the_softmax_of_the_logits_and_leaves_the_mode() -> None:
    model = network("two convolutions", dropout=0.5).train()
    pictures = torch.randint(0, 256, (5, 13, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    verdicts = model.classify(pictures)
    assert model.training
    model.eval()
    wanted = torch.softmax(model(pictures.flatten(1).double() / 255), 1)
    for verdict, probabilities in zip(verdicts, wanted, strict=True):
        assert verdict.probabilities == pytest.approx(probabilities.tolist(), abs=1e-12)
        assert verdict.position == int(probabilities.argmax())
        assert (verdict.label, verdict.confidence) == (CLASSES[verdict.position], max(verdict.probabilities))


def test_dropout_thins_the_fully_connected_layers_in_training_alone() -> None:
    model = network("two convolutions", dropout=0.5)
    x, _ = batch(model)
    with Trace(model, training=True) as trace:
        model(x)
    masks = [record.name for record in trace if record.name.endswith("mask")]
    assert masks == ["layers.0.mask", "layers.1.mask"]
    model.eval()
    assert torch.equal(model(x), model(x))


def test_it_says_what_it_is() -> None:
    model = network("two convolutions")
    assert model.describe() == "a convolutional network [156, 3 maps, 4 maps, 7, 3]"


@pytest.mark.parametrize(("initialisation", "spread"), [("he-normal", 2.0), ("scaled-normal", 1.0)])
def test_kernels_start_by_the_number_of_their_inputs(initialisation: Any, spread: float) -> None:
    torch.manual_seed(5)
    layer = Convolution(8, 100, 5, 0, "relu", initialisation, 2)
    assert float(layer.weight.detach().var()) == pytest.approx(spread / (8 * 25), rel=0.05)
    assert not layer.bias.any()


@pytest.fixture(scope="module")
def traced() -> Trace:
    torch.manual_seed(6)
    model = ConvolutionalNetwork((10, 10), CLASSES, maps=(2, 3), kernel=3, hidden=(4,), padding=1)
    pictures = torch.randint(0, 256, (2, 10, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))
    return trace_pictures(model, pictures, torch.tensor([1, 2]))


NAMES = [
    "x", "picture", "features.0.z", "features.0.a", "features.1.pooled", "features.2.z", "features.2.a",
    "features.3.pooled", "layers.0.z", "layers.0.a", "layers.1.z", "cost",
]  # fmt: skip


def test_layers_have_the_articles_symbols(traced: Trace) -> None:
    found = {name: traced[name].symbol for name in ("x", "features.0.z", "features.2.weight", "layers.0.a", "cost")}
    assert found == {"x": "a¹", "features.0.z": "z²", "features.2.weight": "w³", "layers.0.a": "a⁴", "cost": "C"}


LAYERS = ("features.0", "features.2", "layers.0", "layers.1")
WEIGHTS = [f"{layer}.{what}" for layer in LAYERS for what in ("weight", "bias")]


@pytest.mark.parametrize("name", [*NAMES, *WEIGHTS])
def test_numbers_of_every_layer_have_their_arithmetic(traced: Trace, name: str) -> None:
    record = traced[name]
    assert len(record.dimensions) == len(record.sizes)
    positions = range(0, record.tensor.numel(), max(1, record.tensor.numel() // 7))
    for position in positions:
        forward = traced.explain(record.cell_at(position))
        assert forward.agrees, forward.text(100)
        assert (forward.expression is None) == (name in WEIGHTS), "a weight is given, all else is computed"
    if name not in ("x", "picture"):  # the pixels do not learn
        for position in positions:
            backward = traced.explain(record.cell_at(position, "backward"))
            assert backward.agrees, backward.text(100)
            assert backward.expression is not None


def test_a_verdict_walks_back_to_a_pixel(traced: Trace) -> None:
    for cell, first in (("layers.1.z[1, 2]", "layers.1.z"), ("confidence[0, 1]", "confidence")):
        path = traced.path_to_input(cell)
        names = [step.cell.name for step in path]
        assert names[0] == first
        order = [name for name in NAMES if name in names]
        assert [name for name in names if name in NAMES] == order[::-1], "each layer once, from the last to the first"
        assert names[-1] == "pixels"
        assert path[-1].cell.index[0] == (1 if first == "layers.1.z" else 0), "a pixel of its own picture"


@pytest.mark.parametrize("name", ["features.0.weight", "features.2.bias", "layers.0.weight"])
def test_gradients_walk_back_to_the_cost(traced: Trace, name: str) -> None:
    gradient = traced[name].gradient
    assert gradient is not None
    largest = traced[name].cell_at(int(gradient.abs().argmax()), "backward")  # one that ReLU did not stop
    path = traced.path_to_input(str(largest))
    assert str(path[-1].cell) == "grad:cost"
    assert path[-1].value == 1
