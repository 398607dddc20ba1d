"""What a recorder sees, and what it leaves behind: threads, exceptions, modes, hooks, changes in place."""

from __future__ import annotations

import threading

import pytest
import torch
from small_gpt import make_gpt
from torch import Tensor, nn

import kqv.recording as recording_module
from kqv.errors import DimensionError, TraceError
from kqv.operations import add, linear, scale
from kqv.recording import note, recording
from kqv.trace.trace import Trace


class Twice(nn.Module):
    """Calls one layer two times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Layer()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return note("z", linear(x, note("weight", self.weight, "out in")), "batch out")


def hooks_of(module: nn.Module) -> int:
    found = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())
    return found + sum(len(p._backward_hooks or ()) for p in module.parameters())


def test_note_returns_its_argument_and_does_nothing_without_a_recorder() -> None:
    x = torch.randn(2)
    assert note("x", x, "no such dimension") is x  # not even read
    with Trace():
        assert note("x", x, "in") is x


def test_outside_of_the_model_names_stand_alone() -> None:
    with Trace(Layer()) as trace:
        x = note("pixels", torch.randn(1, 3), "batch in")
        note("verdict", trace.model(x), "batch out")  # type: ignore[misc]
    assert trace["pixels"].name == "pixels"
    assert trace["verdict"] is trace["z"]


def test_a_layer_called_twice_numbers_its_results() -> None:
    model = Twice()
    with Trace(model) as trace:
        x = note("x", torch.randn(2, 3), "batch in")
        y = model(x)
        y.sum().backward()
    assert trace["layer.z#2"].value.equal(y.detach())
    assert {source.name for source in trace.cell("layer.z#2[0,0]").sources()} == {"layer.z", "layer.weight"}
    explanation = trace.cell("grad:layer.weight[1,2]")
    assert [part.heading for part in explanation.parts] == [
        "weight of linear → layer.z",
        "weight of linear → layer.z#2",
    ]
    assert explanation.agrees
    assert model.layer.weight.grad is not None
    assert explanation.value == float(model.layer.weight.grad[1, 2])


def test_one_tensor_may_have_several_names() -> None:
    with Trace() as trace:
        x = note("x", torch.randn(2), "in")
        note("again", x, "in")
    assert trace["again"] is trace["x"]
    assert trace["x"].aliases == ["again"]


def test_a_weight_under_two_modules_has_both_names() -> None:
    model = nn.ModuleDict({"one": Layer(), "two": Layer()})
    model["two"].weight = model["one"].weight  # type: ignore[assignment]
    with Trace(model) as trace:
        y = model["two"](model["one"](torch.randn(1, 3)))
        y.sum().backward()
    assert trace["two.weight"] is trace["one.weight"]
    assert trace["one.weight"].dimensions == ("out", "in")
    assert len(trace.cell("grad:two.weight[0,0]").parts) == 2


def test_clashing_dimensions_name_both_tensors() -> None:
    with Trace():
        note("scores", torch.zeros(3, 5), "query key")
        with pytest.raises(DimensionError, match=r"'key' is 4 in weights\[query=3, key=4\] but 5 in scores"):
            note("weights", torch.zeros(3, 4), "query key")


def test_a_second_pass_may_have_another_batch() -> None:
    model = Layer()
    with Trace(model) as trace:
        model(torch.randn(2, 3))
        model(torch.randn(5, 3))
    assert trace["z#2"].sizes == (5, 3)


def test_a_change_in_position_is_noticed() -> None:
    with Trace() as trace:
        x = note("x", torch.ones(2), "in")
        note("y", scale(x, factor=2.0), "out")
    x.add_(1)
    with pytest.raises(TraceError, match="x was changed in place"):
        _ = trace["x"].value
    with pytest.raises(TraceError, match="changed in place"):
        trace.cell("y[0]").text()
    assert "changed in place since" in trace.table(80)


def test_a_change_in_position_during_the_pass_makes_a_new_record() -> None:
    with Trace() as trace:
        x = note("x", torch.tensor([1.0, -1.0]), "in")
        x[1] = 5.0
        note("y", scale(x, factor=2.0), "out")
        x.mul_(3)
        note("z", scale(x, factor=1.0), "out")
    (source,) = trace.cell("z[1]").sources()
    assert source.name != "x"
    assert "mul" in trace.cell(str(source)).formula
    assert trace.cell(str(source)).value == 15


def test_a_recorder_sees_only_its_own_thread() -> None:
    model = make_gpt()
    started, done = threading.Event(), threading.Event()

    def train() -> None:
        started.wait(10)
        for _ in range(3):
            model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
        assert not recording()
        done.set()

    other = threading.Thread(target=train)
    other.start()
    with Trace(model) as trace:
        started.set()
        assert done.wait(60)
        logits = model(torch.ones(1, 4, dtype=torch.long))
        logits.sum().backward()
    other.join()
    assert [record.name for record in trace if record.name.startswith("logits")] == ["logits"]
    assert trace["ids"].value.tolist() == [[1, 1, 1, 1]]
    explanation = trace.cell("grad:tokens.weight[1,0]")
    assert explanation.agrees
    assert not explanation.text(100).count("DISAGREES")
    assert model.tokens.weight.grad is not None
    assert explanation.value != float(model.tokens.weight.grad[1, 0])  # which the other thread added to


def test_two_threads_trace_at_the_same_time() -> None:
    barrier = threading.Barrier(2)
    found: dict[int, list[str]] = {}

    def run(number: int) -> None:
        with Trace() as trace:
            barrier.wait(10)
            note(f"x{number}", torch.full((2,), float(number)), "in")
            barrier.wait(10)
        found[number] = [record.name for record in trace]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: ["x0"], 1: ["x1"]}


def test_an_exception_leaves_nothing_behind() -> None:
    model = Twice().train()
    model.layer.eval()
    before = hooks_of(model)
    trace = Trace(model)
    with pytest.raises(DimensionError), trace:  # noqa: PT012
        assert not model.training
        assert hooks_of(model) > before
        model(torch.randn(2, 4))
    assert model.training
    assert not model.layer.training
    assert hooks_of(model) == before
    assert not recording()
    assert not recording_module._active
    assert not trace.is_recording
    x = torch.randn(1, 3)
    with Trace(model) as again:
        model(x)
    assert "layer.z" in again


def test_a_failed_entry_leaves_nothing_behind() -> None:
    model = Layer().train()
    with Trace() as outer:
        x = note("x", torch.randn(2), "in")
        with pytest.raises(TraceError, match="already being recorded"), Trace(model):
            pass
        assert model.training
        assert hooks_of(model) == 0
        note("y", scale(x, factor=2.0), "out")
    assert "y" in outer
    assert not recording()


def test_a_trace_records_once() -> None:
    with Trace() as trace:
        note("x", torch.randn(2), "in")
    with pytest.raises(TraceError, match="new Trace"), trace:
        pass


@pytest.mark.parametrize("training", [False, True])
def test_the_mode_is_as_asked(training: bool) -> None:
    model = nn.Dropout()
    model.train(not training)
    with Trace(model, training=training):
        assert model.training is training
    assert model.training is not training


def test_a_trace_leaves_the_gradients_to_the_model() -> None:
    model, plain = make_gpt(), make_gpt()
    ids = torch.tensor([[1, 2, 3, 4]])
    with Trace(model):
        model(ids).square().mean().backward()
    plain(ids).square().mean().backward()
    for (name, parameter), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert parameter.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_questions_during_the_pass_are_not_recorded() -> None:
    with Trace() as trace:
        x = note("x", torch.randn(4, requires_grad=True), "in")
        y = note("y", scale(x, factor=2.0), "out")
        y.backward(torch.ones(4))
        count = len(trace.recorder.records)
        assert trace.cell("grad:x[1]").value == 2
        assert trace.cell("y[1]").agrees
        assert trace.table(80)
        assert list(trace.walk_back("y[1]"))
        assert len(trace.recorder.records) == count


def test_backward_after_the_trace_is_still_recorded() -> None:
    model = Layer()
    with Trace(model) as trace:
        loss = model(torch.randn(2, 3)).sum()
    loss.backward()
    assert trace["weight"].gradient is not None
    assert trace.cell("grad:weight[0,1]").agrees


def test_a_pass_without_gradients_says_so() -> None:
    with Trace(Layer()) as trace, torch.no_grad():
        trace.model(torch.randn(1, 3))  # type: ignore[misc]
    assert trace.cell("z[0,0]").agrees
    with pytest.raises(TraceError, match="no gradient"):
        trace.cell("grad:z[0,0]")


def test_inference_mode() -> None:
    with Trace(Layer()) as trace, torch.inference_mode():
        trace.model(torch.randn(1, 3))  # type: ignore[misc]
    assert trace.cell("z[0,0]").agrees


def test_an_empty_batch() -> None:
    with Trace(Layer()) as trace:
        trace.model(torch.randn(0, 3)).sum().backward()  # type: ignore[misc]
    assert "empty" in trace.table(80)
    with pytest.raises(TraceError, match="empty"):
        trace.cell("z[0,0]")
    assert trace.cell("grad:weight[0,0]").value == 0


def test_bfloat16_is_allowed_its_own_rounding() -> None:
    torch.manual_seed(0)
    model = make_gpt()
    ids = torch.tensor([[1, 2, 3, 4]])
    with Trace(model) as trace, torch.autocast("cpu", dtype=torch.bfloat16):
        model(ids).float().square().mean().backward()
    scores = trace["blocks.0.attention.products"]
    assert scores.value.dtype == torch.bfloat16
    for record in trace:
        for phase in ("forward", "backward"):
            if record.tensor.numel() and (phase == "forward" or record.gradient is not None):
                explanation = trace.explain(record.cell_at(record.tensor.numel() // 2, phase))
                assert explanation.agrees, explanation.text(100)
    assert "0.0156·Σ|terms|" in trace.cell("blocks.0.attention.products[0,0,0,0]").text(100)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_pass() -> None:
    model = make_gpt().cuda()
    with Trace(model) as trace:
        model(torch.tensor([[1, 2, 3, 4]], device="cuda")).square().mean().backward()
    for name in (
        "grad:tokens.weight[1,0]",
        "blocks.1.attention.scores[0,1,2,1]",
        "grad:blocks.0.attention.keys[0,0,1,1]",
    ):
        assert trace.cell(name).agrees
    assert trace.table(80)


def test_a_compiled_model_is_traced_as_it_is_written() -> None:
    model = Twice()
    x = torch.randn(2, 3)
    compiled = torch.compile(model, backend="eager")
    want = compiled(x)
    with Trace(compiled) as trace:
        compiled(x).sum().backward()
    assert "layer.z#2" in trace
    assert "layer.weight" in trace
    assert not any("_orig_mod" in record.name for record in trace)
    torch.testing.assert_close(trace["layer.z#2"].value, want.detach())
    torch.testing.assert_close(compiled(x), want)
    assert hooks_of(model) == 0


def test_a_module_compiled_inside_is_named_plainly() -> None:
    model = Twice()
    model.layer = torch.compile(model.layer, backend="eager")  # type: ignore[assignment]
    with Trace(model) as trace:
        model(torch.randn(1, 3))
    assert {"layer.weight", "layer.z", "layer.z#2"} <= {record.name for record in trace}


def test_the_gradient_of_a_residual_sums_both_branches() -> None:
    x = torch.randn(3, requires_grad=True)
    with Trace() as trace:
        note("x", x, "in")
        note("y", add(x, scale(x, factor=0.5)), "in").backward(torch.ones(3))
    explanation = trace.cell("grad:x[2]")
    assert explanation.value == 1.5
    assert sorted(part.value for part in explanation.parts) == [0.5, 1.0]


def test_locations_are_relative() -> None:
    model = make_gpt()
    with Trace(model) as trace:
        model(torch.tensor([[1, 2]]))
    for record in trace:
        assert not record.location.file.startswith("/")
    assert trace["blocks.0.attention.scores"].location.file == "kqv/models/scales.py"
    assert str(trace["blocks.0.attention.scores"].named_at).startswith("kqv/models/attention.py:")
