"""The feed-forward network of the textbook: layer after layer, z = W a + b and a = σ(z)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.activations import Activation
from kqv.models.dense import Layer
from kqv.models.initialisation import Initialisation
from kqv.models.recogniser import Cost, Output
from kqv.models.textbook.interface import Textbook
from kqv.recording import note


class Network(Textbook):
    """A feed-forward network with layers of the given sizes; `Network([784, 30, 10])` is the textbook's.

    Sigmoid layers, the quadratic cost and standard normal weights are the textbook's first network (Nielsen ch. 1);
    with the cross-entropy cost the last layer gives logits (ch. 3), and `output` what makes probabilities of them.
    Without `bias` all biases are 0 and stay so.
    `forward(x[batch, in]) -> activations (quadratic) or logits (cross-entropy) [batch, class]`.
    The textbook's own interface, in columns and NumPy, is in `Textbook`.
    Raises `Error` for fewer than two layers or a layer without neurons.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation = "sigmoid",
        cost: Cost = "quadratic",
        initialisation: Initialisation = "standard-normal",
        dropout: float = 0.0,
        classes: Sequence[str] | None = None,
        output: Output | None = None,
        bias: bool = True,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise Error(
                f"a network needs at least two layers of at least one neuron, as in [784, 30, 10]; got {list(sizes)}"
            )
        super().__init__(sizes[0], classes or [str(position) for position in range(sizes[-1])], cost, output)
        self.sizes = tuple(sizes)
        self.activation: Activation = activation
        self.dropout = dropout
        last: Activation | None = None if cost == "cross-entropy" else "sigmoid"
        activations: list[Activation | None] = [*(activation for _ in sizes[1:-1]), last]
        self.layers = nn.ModuleList(
            # no pixels are dropped
            Layer(inputs, outputs, name, initialisation, number, dropout if number > 2 else 0.0, bias)
            for number, (inputs, outputs, name) in enumerate(
                zip(sizes[:-1], sizes[1:], activations, strict=True), start=2
            )
        )

    def describe(self) -> str:
        return f"a network {list(self.sizes)}"

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        a = note("x", x, "batch in", symbol="a¹")
        for layer in self.layers:
            a = layer(a)
        return a
