"""What a check says of results that are wrong in a way of their own: types, shapes, numbers, exceptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kqv.workshop.catalogue import exercise
from kqv.workshop.diagnosis import judge
from kqv.workshop.findings import Finding, Verdict
from kqv.workshop.given import backprop, sigmoid
from kqv.workshop.learner import answers, try_cases

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def verdict(name: str, mine: Callable[..., Any], position: int = 0) -> Verdict:
    function = exercise(name).functions[position]
    return judge(function, try_cases(mine, function.tries))


def finding(name: str, mine: Callable[..., Any], position: int = 0) -> Finding:
    found = verdict(name, mine, position).finding
    assert found is not None
    return found


def test_a_wrong_shape_is_explained_by_its_dimensions() -> None:
    def mine(*inputs: Any) -> Any:
        nabla_b, _ = backprop(*inputs)
        return nabla_b, [b * 2 for b in nabla_b]

    assert finding("backprop", mine).headline == (
        "you returned [2, 1] for nabla_w[1]; expected [out=2, in=3]: "
        "the outer product with the numbers of the layer before is missing?"
    )


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        (lambda z: sigmoid(z).T, "you returned [1, 4] for a; expected [out=4, 1]: it is transposed"),
        (lambda z: sigmoid(z).ravel(), "you returned [4] for a; expected [out=4, 1]: an axis was lost"),
        (lambda z: sigmoid(z) @ sigmoid(z).T, "you returned [4, 4] for a; expected [out=4, 1]: a column met a row"),
        (lambda z: float(sigmoid(z).sum()), "you returned a plain number for a; expected [out=4, 1]: did a sum"),
        (lambda z: np.float64(0.5), "you returned a plain number for a; expected [out=4, 1]"),
        (lambda z: np.zeros((1000, 1000)), "you returned [1000, 1000] for a; expected [out=4, 1]"),
    ],
)
def test_shapes(mine: Callable[..., Any], words: str) -> None:
    found = finding("sigmoid", mine)
    assert found.kind == "shape"
    assert found.headline.startswith(words)


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        (lambda z: None, "sigmoid returned nothing (None): is its `return` missing?"),
        (lambda z: sigmoid(z).tolist(), "a is a list; expected a NumPy array [out, 1]"),
        (lambda z: torch.from_numpy(sigmoid(z)), "a is a torch.Tensor"),
        (lambda z: "0.5", "a is a str ('0.5'); expected a NumPy array [out, 1]"),
        (lambda z: sigmoid(z) + 1j, "a is a numpy array of complex128"),
        (lambda z: np.array([sigmoid(z), None], dtype=object), "a is a numpy array of object"),
        (lambda z: sigmoid, "a is a function"),
    ],
)
def test_types(mine: Callable[..., Any], words: str) -> None:
    found = finding("sigmoid", mine)
    assert found.kind == "type"
    assert found.headline.startswith(words)


def test_one_number_in_an_array_is_told_how_to_come_out() -> None:
    found = finding("cross_entropy", lambda z, y: np.array([[1.0]]))
    assert found.headline == (
        "you returned [1, 1] for cost; expected a plain number: there is one number in it; "
        "take it out with .item() or float(…)"
    )


def test_too_few_results_and_too_few_layers() -> None:
    assert finding("backprop", lambda *inputs: 3.0).headline == (
        "backprop returned the number 3; expected 2 things: return nabla_b, nabla_w"
    )
    assert finding("backprop", lambda *inputs: (backprop(*inputs)[0], backprop(*inputs)[1][1:])).headline == (
        "nabla_w has 1 arrays; expected 2, one for each layer with weights"
    )
    assert "expected a list with one array for each layer" in finding(
        "backprop", lambda *inputs: (backprop(*inputs)[0][0], backprop(*inputs)[1])
    ).headline  # fmt: skip


def test_a_wrong_number_comes_with_the_arithmetic_of_the_right_one() -> None:
    def mine(*inputs: Any) -> Any:
        nabla_b, nabla_w = backprop(*inputs)
        nabla_w[1] = nabla_w[1].copy()
        nabla_w[1][1, 2] += 0.25
        return nabla_b, nabla_w

    function = exercise("backprop").functions[0]
    inputs = function.tries[0].inputs
    found = finding("backprop", mine)
    right = backprop(*inputs.values())[1][1][1, 2]
    assert found.kind == "value"
    assert found.headline == f"nabla_w[1][1,2]: you returned {right + 0.25:.6g}; expected {right:.6g}".replace("-", "−")
    assert found.details[0].startswith(f"{right:.6g}".replace("-", "−") + " = ")
    assert any("activations[1][2,0]" in line for line in found.details)
    assert "1 of 6 numbers of nabla_w[1] differ" in found.details
    assert found.details[-1] == "tested with a network [4, 3, 2]"


def test_the_last_layer_is_explained_first_since_the_others_follow_from_it() -> None:
    found = finding("backprop", lambda *inputs: tuple([part * 1.5 for part in parts] for parts in backprop(*inputs)))
    assert found.headline.startswith("nabla_b[1][0,0]: you returned ")


def test_a_number_that_is_none_is_shown_first() -> None:
    def mine(z: Any) -> Any:
        a = sigmoid(z) + 1
        a[2] = np.nan
        return a

    found = finding("sigmoid", mine)
    assert found.kind == "not a number"
    assert found.headline.startswith("a[2,0]: you returned nan; expected ")
    assert "0/0" in found.details[0]


def test_whole_numbers_are_named() -> None:
    found = finding("sigmoid", lambda z: sigmoid(z).astype(int))
    assert found.mistake == "a is rounded to whole numbers"
    assert "(a is int64)" in found.advice


def test_single_precision_is_good_enough() -> None:
    assert verdict("sigmoid", lambda z: sigmoid(z).astype(np.float32)).passed


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_is_an_array() -> None:
    assert verdict("sigmoid", lambda z: np.matrix(sigmoid(z))).passed


def test_lists_and_tuples_are_both_right() -> None:
    assert verdict("backprop", lambda *inputs: list(map(tuple, backprop(*inputs)))).passed


def test_changed_inputs_are_found_where_the_result_is_right() -> None:
    def mine(a: Any, y: Any) -> Any:
        a -= y
        return a

    found = finding("cost_derivative", mine)
    assert found.kind == "changed"
    assert found.mistake == "the inputs are changed in place"
    assert "output_activations" in found.headline


def test_moving_an_element_and_putting_it_back_is_no_change() -> None:
    def mine(cost: Any, w: Any, epsilon: float) -> Any:
        gradient = np.zeros_like(w)
        for index in np.ndindex(*w.shape):
            w[index] += epsilon
            above = cost(w)
            w[index] -= 2 * epsilon
            gradient[index] = (above - cost(w)) / (2 * epsilon)
            w[index] += epsilon
        return gradient

    assert verdict("gradient_check", mine).passed


def test_a_mistake_in_some_layers_alone_is_recognised() -> None:
    def mine(*inputs: Any) -> Any:
        nabla_b, nabla_w = backprop(*inputs)
        return nabla_b, [*nabla_b[:-1], nabla_w[-1]]

    assert finding("backprop", mine).mistake == "the outer product is missing"


def test_a_mistake_of_ones_own_is_called_by_no_name() -> None:
    found = finding("sigmoid", lambda z: sigmoid(z) * 0.9 + 0.05)
    assert (found.kind, found.mistake) == ("value", "")


def test_overflow_is_a_note_where_the_result_is_right() -> None:
    passed = verdict("sigmoid", lambda z: 1 / (1 + np.exp(-z)))
    assert passed.passed
    assert any("overflow" in note for note in passed.notes)


def said_of(tmp_path: Path, text: str, name: str = "feedforward") -> Finding:
    """What a check says of a file."""
    function, path = exercise(name).functions[0], tmp_path / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    event = next(event for event in answers(path, [function]) if "outcomes" in event)
    found = judge(function, event["outcomes"]).finding
    assert found is not None
    return found


def test_an_exception_names_the_line_and_the_shapes_in_it(tmp_path: Path) -> None:
    text = "import numpy as np\ndef feedforward(a, weights, biases):\n    return np.dot(weights[1], a) + biases[0]\n"
    found = said_of(tmp_path, text)
    assert found.kind == "raised"
    assert found.headline.startswith(
        "the shapes of this matrix product do not fit, in line 3 of feedforward.py (return np.dot(weights[1], a)"
    )
    assert found.details[0] == "there weights[1] is [out=2, in=3], a is [in=4, 1], biases[0] is [out=3, 1]"
    assert "as many columns left as rows right" in found.details[1]
    assert found.details[2].startswith("Python's own words: ValueError: shapes (2,3) and (4,1) not aligned")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("z = a; raise NotImplementedError", "a part is still to be written in line 2 of feedforward.py"),
        ("import sys; sys.exit()", "it ended Python in line 2"),
        ("return feedforward(a, weights, biases)", "it calls itself without end in line 2"),
        ("return zz", "the name zz is not defined, in line 2 of feedforward.py (def"),
        ("input()", "input() waits for an answer, in line 2 of feedforward.py"),
    ],
)
def test_exceptions(tmp_path: Path, body: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda: (_ for _ in ()).throw(EOFError("EOF when reading a line")))
    found = said_of(tmp_path, f"\ndef feedforward(a, weights, biases): {body}\n")
    assert found.kind == "raised"
    assert found.headline.startswith(words)


def test_one_exercise_can_use_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "sigmoid", raising=False)
    (tmp_path / "sigmoid.py").write_text("def sigmoid(z):\n    return z.wrong\n")
    found = said_of(
        tmp_path,
        "from sigmoid import sigmoid\ndef feedforward(a, weights, biases):\n    return sigmoid(a)\n",
    )
    assert "in line 2 of sigmoid.py (return z.wrong)" in found.headline
