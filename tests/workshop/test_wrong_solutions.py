"""Solutions that learners write and that are wrong: what a check says of each, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from kqv.workshop.catalogue import exercise
from kqv.workshop.diagnosis import judge
from kqv.workshop.findings import Finding
from kqv.workshop.learner import answers
from kqv.workshop.products import product_that_fits
from kqv.workshop.template import solution

pytestmark = pytest.mark.filterwarnings("ignore")


def said_of(folder: Path, name: str, right: str, wrong: str) -> Finding:
    """The first finding on the solution with a part of it replaced."""
    chosen, path = exercise(name), folder / f"{name}.py"
    text = solution(chosen)
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    for event in answers(path, chosen.functions):
        if "outcomes" in event:
            function = next(each for each in chosen.functions if each.name == event["function"])
            if (found := judge(function, event["outcomes"]).finding) is not None:
                return found
    raise AssertionError("the check passed")


SIGMOID = "return 1.0 / (1.0 + np.exp(-z))"
PRIME = "return sigmoid(z) * (1.0 - sigmoid(z))"
LAYER = "a = sigmoid(np.dot(w, a) + b)"
COST = "return output_activations - y"
OUTPUT = "return cost_derivative(a, y) * sigmoid_prime(z)"
BACK = "return np.dot(w_next.T, delta_next) * sigmoid_prime(z)"
STEP = "eta / len(mini_batch)"
SOFTMAX = "return exponentials / np.sum(exponentials)\n\n"
ENTROPY = "return -np.sum(y * log_probabilities)"
DIFFERENCE = "(cost(up) - cost(down)) / (2 * epsilon)"
QUOTIENT = "distance / (np.sqrt(np.sum(gradient**2)) + np.sqrt(np.sum(numerical**2)))"


@pytest.mark.parametrize(
    ("name", "right", "wrong", "mistake"),
    [
        ("sigmoid", SIGMOID, "return (1 / (1 + np.exp(-z))).astype(int)", "a is rounded to whole numbers"),
        ("sigmoid", SIGMOID, "return 1 / (1 + np.exp(-z.astype(int)))", "z is rounded to whole numbers"),
        ("sigmoid", SIGMOID, "return 1 / (1 + np.exp(-z)).astype(int)", "the denominator is rounded to whole numbers"),
        ("sigmoid", SIGMOID, "return 1 // (1 + np.exp(-z))", "rounded down"),
        ("sigmoid", SIGMOID, "return z", "z itself comes back"),
        ("sigmoid", SIGMOID, "return z > 0", "a hard step"),
        ("sigmoid", PRIME, "return sigmoid(z) * 1 - sigmoid(z)", "brackets around 1 − σ(z) are missing"),
        ("sigmoid", PRIME, "return np.exp(-z) / (1 + np.exp(-z))", "the square in the denominator is missing"),
        ("feedforward", LAYER, "a = sigmoid(w * a + b)", "* in place of a matrix product"),
        ("feedforward", LAYER, "a = sigmoid(w @ a.astype(int) + b)", "the activations are rounded to whole numbers"),
        ("feedforward", LAYER, "z = w @ a + b; a = sigmoid(z) * (1 - sigmoid(z))", "σ′ in place of σ"),
        ("feedforward", LAYER, "a = np.maximum(w @ a + b, 0)", "ReLU in place of σ"),
        ("feedforward", "zip(weights, biases)", "zip(weights[1:], biases[1:])", "the first layer is skipped"),
        ("cost_derivative", COST, "return output_activations + y", "plus in place of minus"),
        ("cost_derivative", COST, "return -y / output_activations", "the derivative of another cost"),
        ("cost_derivative", COST, "return output_activations", "y is not subtracted"),
        ("cost_derivative", COST, "return (output_activations - y).astype(int)",
         "derivative is rounded to whole numbers"),
        ("output_error", OUTPUT, "return a - y * sigmoid_prime(z)", "brackets around a − y are missing"),
        ("output_error", OUTPUT, "return (a - y) / sigmoid_prime(z)", "divided by the slope"),
        ("output_error", OUTPUT, "return (a - y).T @ sigmoid_prime(z)", "a scalar product in place of ⊙"),
        ("output_error", OUTPUT, "return (a - y) * z * (1 - z)", "z·(1 − z) in place of σ′(z)"),
        ("backpropagated_error", BACK, "return w_next * delta_next * sigmoid_prime(z)",
         "* in place of a matrix product"),
        ("backpropagated_error", BACK, "return w_next.T * delta_next * sigmoid_prime(z)",
         "wᵀ * δ in place of a matrix product"),
        ("backpropagated_error", BACK, "return w_next.T @ (delta_next * sigmoid_prime(z))",
         "⊙ comes before the product"),
        ("backpropagated_error", BACK, "return delta_next * sigmoid_prime(z)", "the weights are missing"),
        ("backprop", "sigmoid_prime(zs[-layer])", "sigmoid_prime(zs[-layer + 1])", "the z of the wrong layer"),
        ("backprop", "append(sigmoid(zs[-1]))", "append(zs[-1])", "σ is missing on the way forward"),
        ("backprop", "activations[-layer - 1].T", "x.T", "the picture in place of the layer before"),
        ("backprop", "nabla_b[-layer] = delta", "nabla_b[-layer] = delta.astype(int)",
         "nabla_b[1] is rounded to whole numbers"),
        ("update_mini_batch", STEP, "eta // len(mini_batch)", "η // m rounds down"),
        ("update_mini_batch", STEP, "eta / len(weights)", "the number of layers in place of m"),
        ("update_mini_batch", STEP, "eta / 10", "10 in place of m"),
        ("update_mini_batch", "nabla_b, nabla_w = backprop", "nabla_w, nabla_b = backprop",
         "backprop's two results are swapped"),
        ("update_mini_batch", "weights = [w - step * nabla for w, nabla in zip(weights, sum_w)]\n    "
         "biases = [b - step * nabla for b, nabla in zip(biases, sum_b)]",
         "for w, nabla in zip(weights, sum_w):\n        w = w - step * nabla", "nothing has changed"),
        ("gradient_check", "w.copy(), w.copy()", "w, w", "both costs are of the same w"),
        ("gradient_check", "gradient[index] =", "gradient =", "gradient is overwritten"),
        ("gradient_check", "    return gradient\n", "        return gradient\n",
         "the loop ends after the first element"),
        ("gradient_check", "np.zeros(w.shape)", "np.zeros(w.shape, dtype=int)", "gradient is rounded to whole numbers"),
        ("gradient_check", QUOTIENT, "distance / max(np.sqrt(np.sum(gradient**2)), np.sqrt(np.sum(numerical**2)))",
         "divided by the longer length alone"),
        ("gradient_check", QUOTIENT, "distance / np.sqrt(np.sum(gradient**2)) + np.sqrt(np.sum(numerical**2))",
         "brackets around the denominator are missing"),
        ("softmax", "np.max(z)", "np.mean(z)", "the mean is subtracted, not the maximum"),
        ("softmax", SOFTMAX, "return exponentials / np.sum(exponentials, axis=1)\n\n",
         "the sum is over the wrong axis"),
        ("softmax", SOFTMAX, "return exponentials // np.sum(exponentials)\n\n", "rounded down"),
        ("softmax", "a * (gradient - np.sum(gradient * a))", "a * (1 - a)", "the gradient is missing"),
        ("softmax", "a * (gradient - np.sum(gradient * a))", "(np.diag(a) - a @ a.T) @ gradient",
         "np.diag of a column"),
        ("cross_entropy", ENTROPY, "return -np.sum(y * np.log(np.exp(log_probabilities) + 1e-12))",
         "1e-12 is added before the logarithm"),
        ("cross_entropy", "shifted - np.log", "z - np.log", "the maximum is subtracted once only"),
        ("cross_entropy", ENTROPY, "return int(-np.sum(y * log_probabilities))", "cost is rounded to whole numbers"),
        ("cross_entropy", "return exponentials / np.sum(exponentials) - y",
         "return (exponentials - y) / np.sum(exponentials)", "y is divided by the sum, too"),
    ],
)  # fmt: skip
def test_a_wrong_solution_is_called_by_its_name(
    tmp_path: Path, name: str, right: str, wrong: str, mistake: str
) -> None:
    found = said_of(tmp_path, name, right, wrong)
    assert found.mistake == mistake
    assert found.advice


@pytest.mark.parametrize(
    ("name", "right", "wrong", "headline", "advice"),
    [
        ("sigmoid", SIGMOID, "import math; return 1 / (1 + math.exp(-z))",
         "a function for one number got an array, in ",
         "np.exp takes the whole array"),
        ("sigmoid", PRIME, "return sigmoid(z)(1 - sigmoid(z))", "something is called that is not a function, in ",
         "Is a * missing between two brackets"),
        ("sigmoid", PRIME, "return sigmoid(z) @ (1 - sigmoid(z))", "the shapes of this matrix product do not fit, in ",
         "element by element is sigmoid(z) * (1 - sigmoid(z))"),
        ("feedforward", LAYER, "a = sigmoid(np.dot(a, w) + b)", "the shapes of this matrix product do not fit, in ",
         "w @ a would fit"),
        ("feedforward", LAYER, "a = sigmoid(sum(w * a) + b)", "these shapes do not fit together, in ",
         "a matrix product adds up as well: w @ a"),
        ("feedforward", LAYER, "a = sigmoid(weights @ a + b)", "a list of arrays of different shapes is used as one",
         "take one entry, as in weights[0]"),
        ("feedforward", LAYER, "z = np.dot(w, a) + b; a = a_new; a_new = sigmoid(z)",
         "a_new is used before it is set, in ", "Set it before"),
        ("output_error", OUTPUT, "return (a - y) * sigmoid_prime", "a function is used like a number, in ",
         "Call it"),
        ("output_error", OUTPUT, "return cost_derivative(a - y)",
         "cost_derivative is called with the wrong number of arguments, in ", "Count what stands in the brackets"),
        ("output_error", OUTPUT, "return np.dot(a - y, sigmoid_prime(z))",
         "the shapes of this matrix product do not fit, in ", "element by element is (a - y) * sigmoid_prime(z)"),
        ("backpropagated_error", BACK, "return w_next.transpose @ delta_next * sigmoid_prime(z)",
         "a matrix product of something without axes, in ", "w.transpose()"),
        ("backpropagated_error", BACK, "return np.linalg.inv(w_next[:2]) @ delta_next",
         "only a square matrix has an inverse, in ", "wᵀ is w.T"),
        ("backprop", "np.dot(w, activations[-1])", "w * activations[-1]", "these shapes do not fit together, in ",
         "w @ activations[-1]"),
        ("backprop", "np.dot(delta, activations[-layer - 1].T)", "delta * activations[-layer - 1]",
         "these shapes do not fit together, in ", "an outer product is delta @ activations[-layer - 1].T"),
        ("backprop", "return nabla_b, nabla_w", "return np.array(nabla_b), np.array(nabla_w)",
         "a list of arrays of different shapes is used as one", "keep them in a list"),
        ("update_mini_batch", "backprop(x, y, weights, biases)", "backprop(x, y)",
         "backprop is called with the wrong number of arguments, in ", "help(backprop)"),
        ("update_mini_batch", "step * nabla for w, nabla in zip(weights, sum_w)", "step * sum_w for w in weights",
         "a list is used like an array, in ", "take one entry"),
        ("gradient_check", "up[index] +=", "up[7, 7] +=", "index 7 is beyond the end of an axis, in ", "0 to n − 1"),
        ("softmax", SOFTMAX, "return exponentials if z > 0 else 0\n\n",
         "an array stands where one yes or no is needed, in ", "np.where"),
    ],
)  # fmt: skip
def test_what_python_raises_is_explained_before_its_own_words(
    tmp_path: Path, name: str, right: str, wrong: str, headline: str, advice: str
) -> None:
    found = said_of(tmp_path, name, right, wrong)
    assert found.kind == "raised"
    assert found.headline.startswith(headline)
    own = next(at for at, line in enumerate(found.details) if line.startswith("Python's own words: "))
    assert any(advice in line for line in found.details[:own])


@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"),
    [
        ("sigmoid", SIGMOID, "return 1 / (1 + 2.718 ** -z)", "All numbers are nearly right"),
        ("sigmoid", SIGMOID, "return np.round(1 / (1 + np.exp(-z)), 2)", "All numbers are nearly right"),
        ("output_error", OUTPUT, f"{OUTPUT} * 3", "Every number is 3 times the right one"),
        ("backprop", "delta = cost_derivative(activations[-1], y)", "delta = 2 * cost_derivative(activations[-1], y)",
         "Every number is 2 times the right one"),
        ("softmax", SOFTMAX, "return exponentials / np.sum(exponentials) + 0.25\n\n",
         "Every number is 0.25 away from the right one"),
        ("feedforward", "return a", "return np.argmax(a)", "did a sum, a mean or an argmax make one number of all?"),
        ("feedforward", "return a", "return [np.zeros((7, 1)), a]", "of several layers"),
    ],
)  # fmt: skip
def test_what_wrong_results_have_in_common_is_said(
    tmp_path: Path, name: str, right: str, wrong: str, words: str
) -> None:
    found = said_of(tmp_path, name, right, wrong)
    assert any(words in line for line in (found.headline, *found.details))


@pytest.mark.parametrize(
    ("line", "shapes", "words"),
    [
        ("z = w @ a", {"w": [3, 4], "a": [3, 1]}, "w.T @ a would fit"),
        ("z = w.T @ a", {"w.T": [4, 3], "w": [3, 4], "a": [4, 1]}, "w @ a would fit"),
        ("z = (a + b) @ w.T", {"a": [4, 1], "b": [4, 1], "w.T": [4, 3]}, "(a + b).T @ w.T"),
        ("for z in w * a:", {"w": [3, 4], "a": [4, 1]}, "w @ a"),
        ("z = w @ a", {"w": [3, 4], "a": [4, 1]}, ""),
        ("z = a * b", {"a": [4, 1], "b": [4, 1]}, ""),
        ("z = w @ a", {"w": [3, 4], "a": [7]}, ""),
        ("z = unknown(w) @ a", {"w": [3, 4], "a": [3, 1]}, ""),
        ("def broken(", {}, ""),
    ],
)
def test_a_product_that_fits(line: str, shapes: dict[str, list[int]], words: str) -> None:
    said = product_that_fits(line, shapes)
    assert words in said
    assert bool(said) == bool(words)
