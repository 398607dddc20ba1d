"""The textbook's own interface (Nielsen, Neural Networks and Deep Learning, `network.py` and `network2.py`).

NumPy, column vectors, the textbook's names: so code that was written along the book runs, on our operations.

A class of your own that overrides `backprop`, `cost_derivative`, `feedforward` or `update_mini_batch` has its method
used wherever the book uses it, example by example; without that, whole mini-batches are computed at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error, RunError
from kqv.models.activations import Activation
from kqv.models.dense import Layer
from kqv.models.examples import Examples, Pair, column, columns
from kqv.models.recogniser import Recogniser
from kqv.models.textbook.backpropagation import Backpropagation, means
from kqv.models.textbook.descent import Descent, Gradients
from kqv.models.textbook.sgd import Monitor, Monitoring, Patience, at_once, check_settings, descend, one_by_one
from kqv.tensors import put_weights, read_tensors, weights_of, write_tensors
from kqv.threads import threads_for

Array = npt.NDArray[Any]


def _array(numbers: Any) -> Array:
    return np.asarray(numbers)


class Textbook(Recogniser):
    """The book's methods over layers with a weight `[out, in]` and a bias `[out]` each."""

    sizes: tuple[int, ...]
    layers: nn.ModuleList
    activation: Activation
    dropout: float

    @property
    def dense(self) -> list[Layer]:
        """The layers that have weights, in order."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return self.dense[0].weight.dtype

    def backpropagation(self, dropping: bool = False) -> Backpropagation:
        """The passes through this network written out by hand, with dropout or without."""
        return Backpropagation(self.dense, self.output, dropping)

    def descent(
        self, eta: float, examples: int = 1, lmbda: float = 0.0, l1: float = 0.0, momentum: float = 0.0
    ) -> Descent:
        """Gradient descent on this network's own weights."""
        weights, biases = [layer.weight.detach() for layer in self.dense], [layer.bias.detach() for layer in self.dense]
        return Descent(weights, biases, eta, examples, lmbda, l1, momentum)

    @property
    def num_layers(self) -> int:
        """How many layers, the input among them."""
        return len(self.sizes)

    @property
    def weights(self) -> list[Array]:
        """Each layer's weights `[out, in]`, the network's own memory: changed in place, they change the network."""
        return [layer.weight.detach().numpy() for layer in self.dense]

    @weights.setter
    def weights(self, arrays: Sequence[Array]) -> None:
        self._put("weights", [layer.weight for layer in self.dense], arrays, "[out={}, in={}]")

    @property
    def biases(self) -> list[Array]:
        """Each layer's biases as a column `[out, 1]`, the network's own memory."""
        return [layer.bias.detach().numpy()[:, None] for layer in self.dense]

    @biases.setter
    def biases(self, arrays: Sequence[Array]) -> None:
        self._put("biases", [layer.bias[:, None] for layer in self.dense], arrays, "[out={}, {}]")

    @torch.no_grad()
    def _put(self, name: str, own: list[Tensor], arrays: Sequence[Array], form: str) -> None:
        if len(arrays) != len(own):
            raise DimensionError(f"{name}: expected one array for each of {len(own)} layers, got {len(arrays)}")
        given = [np.asarray(array) for array in arrays]
        for number, (tensor, array) in enumerate(zip(own, given, strict=True)):
            if array.shape != tuple(tensor.shape):
                raise DimensionError(
                    f"{name}[{number}] has shape {list(array.shape)}; expected {form.format(*tensor.shape)}"
                )
        for tensor, array in zip(own, given, strict=True):
            tensor.copy_(torch.from_numpy(array))

    def _row(self, a: Array, name: str, dimension: str, size: int) -> Tensor:
        """The column `[size, 1]` as a row `[batch=1, size]`, as the operations take it."""
        return torch.from_numpy(column(a, name, size, dimension)).to(self.dtype).T

    def feedforward(self, a: Array) -> Array:
        """The output `[class, 1]` for the input column `a[in, 1]`; also for several columns side by side.

        Raises `DimensionError` for a row.
        """
        a = columns(a, "a", self.sizes[0])
        with torch.no_grad():
            passes = self.backpropagation()
            return passes.probabilities(passes.feedforward(torch.from_numpy(a.T).to(self.dtype))[0]).T.numpy()

    def cost_derivative(self, output_activations: Array, y: Array) -> Array:
        """∂C/∂a of the output activations for one example, both `[class, 1]`: a − y with the quadratic cost.

        With the cross-entropy (a − y)/(a·(1 − a)) for sigmoid outputs, and −y/a for softmax (Nielsen ch. 3).
        """
        a, y = _array(output_activations), _array(y)
        if self.cost == "quadratic":
            return _array(a - y)
        return _array((a - y) / (a * (1 - a)) if self.output == "sigmoid" else -y / a)

    def backprop(self, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
        """(nabla_b, nabla_w): the gradient of one example's cost by each layer's biases `[out, 1]` and weights.

        The article's five stages: input, feedforward, output error, backpropagated errors, gradients (BP1 to BP4).
        Raises `DimensionError` where x is no `[in, 1]` or y no `[class, 1]`.
        """
        backpropagation = self.backpropagation()
        row, wanted = self._row(x, "x", "in", self.sizes[0]), self._row(y, "y", "class", self.sizes[-1])
        with torch.no_grad():
            outputs, passes = backpropagation.feedforward(row)
            a = backpropagation.probabilities(outputs)
            derivative = self._own_derivative(a, y) if self._overrides("cost_derivative") else a - wanted
            gradients = [means(error) for error in backpropagation.backpropagate(passes, derivative)]
        return [nabla_b[:, None].numpy() for _, nabla_b in gradients], [nabla_w.numpy() for nabla_w, _ in gradients]

    def _own_derivative(self, a: Tensor, y: Array) -> Tensor:
        """∂C/∂a of the output by a class's own `cost_derivative`."""
        if self.cost != "quadratic":
            raise Error("a cost_derivative of your own needs a network with cost='quadratic'")
        own = self.cost_derivative(a.T.numpy(), _array(y))
        return self._row(own, "the result of cost_derivative", "class", self.sizes[-1])

    def _overrides(self, *names: str) -> bool:
        """Whether this is a class that has methods of its own in place of the textbook's."""
        return any(getattr(type(self), name) is not getattr(Textbook, name) for name in names)

    def update_mini_batch(self, mini_batch: Sequence[Pair], eta: float) -> None:
        """One step of gradient descent with the pairs (x, y): w → w − η/m·Σ_x ∂C_x/∂w (Nielsen ch. 1, eqs. (20), (21)).

        Raises `DimensionError` for rows, `Error` for an empty mini-batch.
        """
        descent = self.descent(eta)
        if self._overrides("backprop", "cost_derivative"):
            descent.step_along(self.mean_of_own_gradients(mini_batch))
            return
        examples = self.examples(mini_batch)
        with torch.no_grad():
            descent.step(self.backpropagation(dropping=True).errors(examples.x, examples.wanted))

    def mean_of_own_gradients(self, mini_batch: Sequence[Pair]) -> Gradients:
        """For each layer (∂C/∂W, ∂C/∂b), the mean over the examples of what this class's own `backprop` gives."""
        total = [(np.zeros_like(w), np.zeros_like(b)) for w, b in zip(self.weights, self.biases, strict=True)]
        for x, y in mini_batch:
            for (by_weight, by_bias), nabla_b, nabla_w in zip(total, *self.backprop(x, y), strict=True):
                by_weight += nabla_w
                by_bias += nabla_b
        m = len(mini_batch)
        return [(torch.from_numpy(by_w) / m, torch.from_numpy(by_b)[:, 0] / m) for by_w, by_b in total]

    def examples(self, pairs: Iterable[Pair]) -> Examples:
        """Pairs (x, y), checked and laid together."""
        return Examples.of(pairs, self.sizes[0], self.sizes[-1], self.dtype)

    def evaluate(self, test_data: Iterable[Pair]) -> int:
        """For how many of the pairs (x, y) the largest output is the right class; y is the class or its column."""
        pairs = list(test_data)
        if self._overrides("feedforward"):
            right = [np.argmax(self.feedforward(x)) == (np.argmax(y) if np.ndim(y) else y) for x, y in pairs]
            return sum(map(bool, right))
        return self.count_right(self.examples(pairs))

    accuracy = evaluate

    @torch.no_grad()
    def count_right(self, examples: Examples) -> int:
        """For how many examples the largest output is the right class."""
        outputs, _ = self.backpropagation().feedforward(examples.x)
        return int((outputs.argmax(1) == examples.labels).sum())

    @torch.no_grad()
    def mean_cost(self, examples: Examples) -> float:
        """The mean of the examples' costs."""
        outputs, _ = self.backpropagation().feedforward(examples.x)
        return float(self.mean_cost_of(outputs, examples.wanted, examples.labels))

    def total_cost(self, data: Iterable[Pair], lmbda: float = 0.0) -> float:
        """The mean cost of n pairs, with what regularisation by `lmbda` adds: λ/2n·Σ w² (Nielsen ch. 3, eq. (87)).

        n is the number of the pairs given, as in the book's `network2.py`: so held-out data, of which there is less,
        adds more than the training data does.
        """
        examples = self.examples(data)
        return self.mean_cost(examples) + self.descent(0.0, lmbda=lmbda).penalty(len(examples))

    def SGD(
        self, training_data: Iterable[Pair], epochs: int, mini_batch_size: int, eta: float,
        test_data: Iterable[Pair] | None = None, *, lmbda: float = 0.0, l1: float = 0.0, momentum: float = 0.0,
        evaluation_data: Iterable[Pair] | None = None, monitor_evaluation_cost: bool = False,
        monitor_evaluation_accuracy: bool = False, monitor_training_cost: bool = False,
        monitor_training_accuracy: bool = False, early_stopping_n: int = 0, halvings: int = 0,
    ) -> Monitoring:  # fmt: skip
        """Stochastic gradient descent: shuffled mini-batches, `epochs` times through the training data.

        Pairs are columns: x `[in, 1]`, y `[class, 1]`; of test and evaluation data y may be the class. With `test_data`
        each epoch's result is printed, as in the book. `lmbda`: L2 regularisation, `l1`: L1. `early_stopping_n`: stop
        when the evaluation accuracy was not improved for so many epochs; with `halvings` halve η instead, so often.
        Mini-batches are drawn by Python's `random`, as in the book: after `random.seed` they are the same.
        Raises `DimensionError` for rows, `Error` for settings that cannot be.
        """
        pairs = list(training_data)
        data = test_data if evaluation_data is None else evaluation_data
        held_out_pairs = None if data is None else list(data)
        train, held_out = self.examples(pairs), None if held_out_pairs is None else self.examples(held_out_pairs)
        patience = Patience(early_stopping_n, halvings)
        check_settings(epochs, mini_batch_size, eta, patience, held_out)
        descent = self.descent(eta, examples=len(train), lmbda=lmbda, l1=l1, momentum=momentum)
        if self._overrides("backprop", "cost_derivative", "update_mini_batch"):
            learn = one_by_one(self, pairs, mini_batch_size, descent, self._overrides("update_mini_batch"))
        else:
            learn = at_once(self, train, mini_batch_size, descent)
        flags = {
            "evaluation_cost": monitor_evaluation_cost, "evaluation_accuracy": monitor_evaluation_accuracy,
            "training_cost": monitor_training_cost, "training_accuracy": monitor_training_accuracy,
        }  # fmt: skip
        monitor = Monitor(self, train, held_out, tuple(name for name, wanted in flags.items() if wanted))

        def right_now() -> int:
            if self._overrides("feedforward"):
                return self.evaluate(held_out_pairs or [])
            return 0 if held_out is None else self.count_right(held_out)

        with threads_for(sum(weight.size for weight in self.weights) * mini_batch_size):
            return descend(learn, epochs, descent, monitor, right_now, patience, announce=test_data is not None)

    def save(self, filename: str | Path) -> None:
        """Write the network to a file (safetensors): sizes, classes, functions and weights; `load` reads it."""
        facts = {
            "sizes": self.sizes, "activation": self.activation, "cost": self.cost, "output": self.output,
            "dropout": self.dropout, "classes": self.classes,
        }  # fmt: skip
        write_tensors(Path(filename), weights_of(self), {"network": facts})

    @classmethod
    def load(cls, filename: str | Path) -> Self:
        """A network from the file that `save` wrote; `RunError` where it is missing, damaged or something else."""
        path = Path(filename)
        tensors, header = read_tensors(path)
        try:
            facts = header["network"]
            network = cls(**facts)
        except (KeyError, TypeError, ValueError, IndexError) as failure:
            raise RunError(f"{path} is no network that was written by Network.save ({failure})") from None
        kind = next(iter(tensors.values())).dtype if tensors else torch.float32
        put_weights(network.to(kind), tensors, str(path))
        return network
