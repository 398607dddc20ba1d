"""The adder as a system: it learns to add in seconds, resumes, answers, and every number of it can be told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from evaluating import assert_page_tells_the_same, chosen_cells, needs_node

import kqv
from kqv.errors import Error
from kqv.models.architecture import Architecture
from kqv.systems.adder.recipes import ADDER_RECIPES, AdderRecipe, SumsPlan
from kqv.systems.adder.trained import LoadedAdder, load_adder
from kqv.systems.source import run_source
from kqv.systems.system import EvaluationAsked, TraceAsked, Watcher, system_named
from kqv.systems.training import Trained
from kqv.tensors import read_tensors
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

STEPS = 250


def recipe(steps: int = STEPS, width: int = 8) -> AdderRecipe:
    """Two numbers of one digit."""
    return AdderRecipe(
        name="adder-2",
        model=Architecture(
            context=5, blocks=1, width=width, heads=2, hidden=2 * width, bias=False, positions="periodic", period=2,
            norm="rms", query_key_norm=True, initialisation="unit",
        ),
        data=SumsPlan(digits=1, validation=20),
        training=TrainingPlan(learning_rate=0.03, batch=64, steps=steps, evaluate_every=steps),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    torch.set_num_threads(1)
    return kqv.train("adder", recipe=recipe(), out=tmp_path_factory.mktemp("adder") / "run")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A few steps of a model with half the width, whose numbers are soon told."""
    return kqv.train("adder", recipe=recipe(5, width=4), out=tmp_path_factory.mktemp("tiny") / "run")


def test_it_learns_to_add_in_seconds(trained: Trained) -> None:
    evaluated = system_named("adder").evaluate(run_source(trained.run), EvaluationAsked(split="train"), Watcher())
    assert evaluated.scores["exact_match"] > 0.4, "one constant answer is right in one of ten"
    assert f"{100 * evaluated.scores['exact_match']:.2f} % right" in evaluated.sentence
    model = trained.model
    assert isinstance(model, LoadedAdder)
    right = sum(model.add(a, b).number == a + b for a in range(10) for b in range(10))
    assert right > 40
    answer = model.add(3, 9)
    assert (answer.read, answer.right) == ("3+9=", 12)
    assert answer.number is None or answer.wrote == f"{answer.number:02}"[::-1]


def test_a_run_that_is_repeated_or_resumed_has_the_same_weights(tiny: Trained, tmp_path: Path) -> None:
    again = kqv.train("adder", recipe=recipe(5, width=4), out=tmp_path / "again")
    for one in (tiny, again):
        kqv.train("adder", resume_run=one.run.path, steps=8)
    first, _ = read_tensors(tiny.run.model_file, tiny.run.identity)
    second, _ = read_tensors(again.run.model_file, again.run.identity)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_numbers_of_a_trace_can_be_told(tiny: Trained) -> None:
    traced = system_named("adder").trace(run_source(tiny.run), TraceAsked("3+9"), Watcher())
    trace = traced.trace
    assert traced.everything
    assert "3 + 9 = 12: the model reads 3+9= (the ones first) and writes" in traced.heading
    assert trace["targets"].value.tolist() == [[2, 1]]
    assert trace["ids"].value.tolist() == [[3, 10, 9, 11, 2]]
    assert not [record.name for record in trace if "given" in record.name]
    for record in trace:
        for position in {0, record.tensor.numel() - 1}:
            cells = [record.cell_at(position, "forward")]
            cells += [record.cell_at(position, "backward")] if record.readable_gradient is not None else []
            cells += [record.cell_at(position, "update")] if record.name in trace.updates else []
            assert all(trace.explain(cell).agrees for cell in cells), record.name


@needs_node
def test_the_page_holds_every_number_and_explains_it(tiny: Trained, tmp_path: Path) -> None:
    from kqv.trace.views.page.content import page_content

    trace = system_named("adder").trace(run_source(tiny.run), TraceAsked("3+9"), Watcher()).trace
    content = page_content(trace, "kqv trace", 5, 65_536, everything=True)
    assert content["everything"] is True
    for tensor in content["tensors"]:
        for name in ("value", "gradient", "update"):
            assert tensor[name] is None or tensor[name]["kept"] == list(trace[tensor["name"]].sizes)
    assert content["answers"]["unknown"] == content["cells"] == {}
    assert_page_tells_the_same([(trace, list(chosen_cells(trace, 6)))], tmp_path)


def test_the_first_held_out_sum_is_traced_unless_one_is_given(trained: Trained) -> None:
    traced = system_named("adder").trace(run_source(trained.run), TraceAsked(), Watcher())
    assert traced.own_input == "a sum that was held out"
    assert traced.input.count("+") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3+x", r"a sum is two whole numbers with a \+ between them, as in 12\+34; got '3\+x'"),
        ("3", "a sum is two whole numbers"),
        ("3+-1", "a sum is two whole numbers"),
        ("10+1", "adds numbers of up to 1 digits, 0 to 9; got 10"),
    ],
)
def test_what_is_no_sum_is_refused(trained: Trained, text: str, message: str) -> None:
    with pytest.raises(Error, match=message):
        system_named("adder").trace(run_source(trained.run), TraceAsked(text), Watcher())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "numbers.txt"}, "an adder makes its own sums; leave out data"),
        ({"context": 9}, "an adder's context is as long as a sum; leave out context"),
        ({"precision": "bfloat16"}, "an adder always computes in float32"),
        ({"weights_from": "other"}, "an adder is trained from new weights; leave out --from"),
        ({"recipe": "adder-4"}, "there is no recipe 'adder-4' for adder; choose one of: adder-2, adder-3, adder-10"),
    ],
)
def test_what_an_adder_has_not_is_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(Error, match=message):
        kqv.train("adder", out=tmp_path / "run", **changes)  # type: ignore[arg-type]


def test_other_data_is_refused_afterwards_too(trained: Trained) -> None:
    system, source = system_named("adder"), run_source(trained.run)
    with pytest.raises(Error, match="an adder makes its own sums; leave out --data"):
        system.evaluate(source, EvaluationAsked(data="text.txt"), Watcher())
    with pytest.raises(Error, match="an adder makes its own sums; leave out --data"):
        kqv.train("adder", resume_run=trained.run.path, data="text.txt")


def test_recipes_fit_their_digits() -> None:
    for name, make in ADDER_RECIPES.items():
        made = make()
        digits = made.data.digits
        assert (made.name, made.system) == (name, "adder")
        assert (made.model.context, made.model.period) == (3 * digits + 2, digits + 1)


def test_a_run_is_an_adder_wherever_it_is_loaded(trained: Trained) -> None:
    assert isinstance(kqv.load(trained.run.path), LoadedAdder)
    assert load_adder(Run(trained.run.path)).digits == 1
