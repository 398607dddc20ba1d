"""`kqv rebuild`: from the list to a network that is trained with a learner's own function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.workshop.catalogue import exercise, names
from kqv.workshop.template import solution, template

Kqv = Callable[..., Any]
MINE = Path("rebuild")


def write(name: str, text: str | None = None) -> Path:
    """The learner's file; the solution without a text."""
    MINE.mkdir(exist_ok=True)
    path = MINE / f"{name}.py"
    path.write_text(solution(exercise(name)) if text is None else text, encoding="utf-8")
    return path


def test_the_list_says_how_far_and_what_next(kqv: Kqv) -> None:
    shown = kqv("rebuild")
    assert shown.status == 0
    assert "0 of 10 passed" in shown.out
    positions = [shown.out.index(f"  {name} ") for name in names()]
    assert positions == sorted(positions)
    assert shown.out.splitlines()[-1] == "Next: kqv rebuild sigmoid"
    assert not MINE.exists()
    kqv("rebuild", "sigmoid")
    assert kqv("rebuild").out.splitlines()[-1] == "Next: kqv rebuild check sigmoid"


@pytest.mark.parametrize("words", [("rebuild", "backprop"), ("rebuild", "begin", "backprop")])
def test_a_name_writes_the_form_and_never_overwrites(kqv: Kqv, words: tuple[str, ...]) -> None:
    shown = kqv(*words)
    assert shown.status == 0
    assert shown.out.startswith("Wrote rebuild/backprop.py")
    path = MINE / "backprop.py"
    assert path.read_text(encoding="utf-8") == template(exercise("backprop"))
    path.write_text("mine")
    again = kqv(*words)
    assert again.status == 0
    assert again.out.startswith("rebuild/backprop.py exists already and is left unchanged.")
    assert path.read_text() == "mine"


def test_another_folder(kqv: Kqv) -> None:
    kqv("rebuild", "sigmoid", "--folder", "else")
    assert Path("else/sigmoid.py").is_file()
    for words in (("check", "sigmoid", "--folder", "else"), ("--folder", "else", "check", "sigmoid")):
        shown = kqv("rebuild", *words)
        assert shown.status == 1
        assert "kqv rebuild hint sigmoid --folder else" in shown.out
    assert not MINE.exists()


def test_an_empty_form_fails_helpfully(kqv: Kqv) -> None:
    kqv("rebuild", "sigmoid")
    shown = kqv("rebuild", "check", "sigmoid")
    assert (shown.status, shown.err) == (1, "")
    assert "✗ sigmoid(z)" in shown.out
    assert "the body is still to be written" in shown.out
    assert "kqv rebuild hint sigmoid" in shown.out


def test_a_typical_mistake_is_named_with_the_arithmetic(kqv: Kqv) -> None:
    text = solution(exercise("update_mini_batch")).replace("eta / len(mini_batch)", "eta")
    write("update_mini_batch", text)
    shown = kqv("rebuild", "check", "update_mini_batch")
    assert shown.status == 1
    assert "Likely mistake: η/m is missing its m." in shown.out
    assert "Divide by the number of examples: eta / len(mini_batch)." in shown.out
    assert "example 2's nabla_w[0][0,0] = " in " ".join(shown.out.split())


def test_a_wrong_shape_in_the_command(kqv: Kqv) -> None:
    text = solution(exercise("backprop")).replace("np.dot(delta, activations[-layer - 1].T)", "delta")
    write("backprop", text)
    shown = kqv("rebuild", "check", "backprop")
    assert "you returned [2, 1] for nabla_w[1]; expected [out=2, in=3]" in " ".join(shown.out.split())
    assert "Likely mistake: the outer product is missing." in shown.out


def test_only_the_first_wrong_function_is_explained(kqv: Kqv) -> None:
    write("sigmoid", "def sigmoid(z):\n    return z\ndef sigmoid_prime(z):\n    return sigmoid(z) * (1 - sigmoid(z))\n")
    shown = kqv("rebuild", "check", "sigmoid")
    assert shown.out.count("expected") == 1
    assert "✗ sigmoid_prime(z)" in shown.out


def test_what_the_file_prints_stands_apart(kqv: Kqv) -> None:
    write("sigmoid", "print('[bold]hello')\n" + solution(exercise("sigmoid")))
    shown = kqv("rebuild", "check", "sigmoid", "--no-train")
    assert shown.status == 0
    assert shown.out.startswith("your file printed:\n│ [bold]hello\n")


def test_a_passed_check_without_training_says_how_to_train(kqv: Kqv) -> None:
    write("cost_derivative")
    shown = kqv("rebuild", "check", "cost_derivative", "--no-train")
    assert shown.status == 0
    assert "correct in all 2 test cases" in shown.out
    assert "kqv rebuild train cost_derivative" in shown.out
    assert "1 of 10 passed" in kqv("rebuild").out


@pytest.mark.parametrize("name", ["backprop", "update_mini_batch"])
def test_passed_it_trains_the_real_network(kqv: Kqv, name: str) -> None:
    write(name)
    shown = kqv("rebuild", "check", name)
    assert shown.status == 0
    assert "Now the real training" in shown.out
    assert shown.out.count("epoch") >= 8
    record = next(each for each in kqv("rebuild", "--json").json["exercises"] if each["name"] == name)
    assert record["state"] == "passed"
    assert record["accuracy"] >= 0.9
    assert f"{100 * record['accuracy']:.1f} % of 297 digits that it never saw" in shown.out
    assert f"{100 * record['accuracy']:.1f} %" in kqv("rebuild").out


def test_train_checks_first(kqv: Kqv) -> None:
    write("backprop", template(exercise("backprop")))
    shown = kqv("rebuild", "train", "backprop")
    assert shown.status == 1
    assert "the body is still to be written" in shown.out
    assert "training" not in shown.out


def test_train_as_json_for_one_epoch(kqv: Kqv) -> None:
    write("backprop")
    content = kqv("rebuild", "train", "backprop", "--epochs", "1", "--json").json
    assert content["passed"]
    assert (content["data"], content["tested"]) == ("digits8x8", 297)
    assert 0.3 < content["accuracy"] < 0.9


def test_check_as_json(kqv: Kqv) -> None:
    write("sigmoid", solution(exercise("sigmoid")).replace("-z", "z"))
    shown = kqv("rebuild", "check", "sigmoid", "--json")
    assert shown.status == 1
    first = shown.json["functions"][0]
    assert (first["passed"], first["finding"]["mistake"]) == (False, "the sign in the exponent")


def test_hints_come_one_by_one_and_are_remembered(kqv: Kqv) -> None:
    hints = exercise("softmax").hints
    for number in (1, 2, 3, 3):
        words = " ".join(kqv("rebuild", "hint", "softmax").out.split())
        for position, hint in enumerate(hints, 1):
            assert (" ".join(hint.split()) in words) == (position <= number)
    assert "kqv rebuild solution softmax" in words
    assert next(each["hints"] for each in kqv("rebuild", "--json").json["exercises"] if each["name"] == "softmax") == 3


def test_the_solution_is_the_reference(kqv: Kqv) -> None:
    assert kqv("rebuild", "solution", "backprop").out == solution(exercise("backprop"))


def test_reset_keeps_the_old_file(kqv: Kqv) -> None:
    write("sigmoid", "mine")
    shown = kqv("rebuild", "reset", "sigmoid")
    assert "your file is kept as rebuild/sigmoid.old.py" in " ".join(shown.out.split())
    assert (MINE / "sigmoid.old.py").read_text() == "mine"
    assert (MINE / "sigmoid.py").read_text(encoding="utf-8") == template(exercise("sigmoid"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["bakprop"], "there is no exercise and no command 'bakprop'; did you mean backprop?"),
        (["chek", "backprop"], "did you mean check?"),
        (["check", "bakprop"], "there is no exercise 'bakprop'; did you mean backprop?"),
        (["check", "sigmoid"], "there is no rebuild/sigmoid.py yet; start with: kqv rebuild sigmoid"),
        (["hint", "attention"], "there is no exercise 'attention'"),
        (["repair"], "there is no folder rebuild"),
        (["check"], "see: kqv rebuild check --help"),
        (["--wrong"], "see: kqv rebuild --help"),
    ],
)
def test_mistakes_of_the_command_line(kqv: Kqv, words: list[str], problem: str) -> None:
    assert problem in kqv("rebuild", *words).problem


def test_damaged_progress_can_be_repaired(kqv: Kqv) -> None:
    write("sigmoid")
    write("softmax", template(exercise("softmax")))
    (MINE / "progress.json").write_text("{")
    assert "rebuild/progress.json is damaged" in kqv("rebuild").problem
    assert "rebuild/progress.json is damaged" in kqv("rebuild", "check", "sigmoid").problem
    shown = kqv("rebuild", "repair")
    assert shown.status == 0
    assert "1 of 10 passed" in shown.out
    assert (MINE / "progress.old-1.json").read_text() == "{"
    before = (MINE / "progress.json").read_bytes()
    assert "Nothing is damaged" in kqv("rebuild", "repair").out
    assert (MINE / "progress.json").read_bytes() == before
    assert not (MINE / "progress.old-2.json").exists()


def test_the_list_and_the_form_need_no_torch(here: Path) -> None:
    code = (
        "import sys\n"
        "from kqv.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: sys.exit('torch' in sys.modules)\n"
    )
    for words in (["rebuild"], ["rebuild", "backprop"], ["rebuild", "check", "backprop"]):
        assert subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False).returncode == 0
