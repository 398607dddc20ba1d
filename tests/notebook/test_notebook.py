"""Views in a notebook: what a notebook is given, what they are asked, and what is there without anywidget."""

from __future__ import annotations

import gzip
import importlib.util
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_passages import bert, gpt
from small_runs import small_run
from small_trace import WORDS, trace_of_words

import kqv
from kqv import viewed
from kqv.errors import Error, TraceError
from kqv.lab.pages import STATIC, require_pages
from kqv.trace.trace import Trace
from kqv.why.why import Why

WEIGHTS = "blocks.0.attention.weights"
NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "guide" / "in-a-notebook.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"

try:
    require_pages()
    built = ""
except Error as failure:
    built = str(failure)
needs_views = pytest.mark.skipif(
    bool(built) or importlib.util.find_spec("anywidget") is None,
    reason=built or 'needs anywidget: pip install "kqv[notebook]"',
)


@pytest.fixture
def trace() -> Trace:
    return trace_of_words().trace


@pytest.fixture
def in_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewed, "in_notebook", lambda: True)


def ask(view: Any, about: str, **query: Any) -> tuple[dict[str, Any], list[bytes]]:
    """What a view answers, as a notebook would get it."""
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    view.send = lambda content, buffers=None: sent.append((content, buffers or []))
    view._asked(view, {"ask": "1", "about": about, "query": query}, [])
    (content, buffers), = sent  # fmt: skip
    assert content["answer"] == "1"
    json.dumps(content, allow_nan=False)  # a notebook's JSON has no NaN
    return content, buffers


def floats(view: Any, **query: Any) -> np.ndarray[Any, Any]:
    content, buffers = ask(view, "numbers", **query)
    assert "error" not in content, content
    return np.frombuffer(buffers[0], "<f4")


def test_outside_a_notebook_everything_is_as_it_was(trace: Trace) -> None:
    assert not viewed.in_notebook()
    assert trace._repr_mimebundle_() == {}
    assert repr(trace).startswith("<Trace of GPT: ")
    assert trace._repr_html_().startswith("<div>")


@pytest.mark.usefixtures("in_notebook")
def test_without_anywidget_one_line_says_what_to_install(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewed, "find_spec", lambda name: None)
    assert trace._repr_mimebundle_() == {}
    with pytest.raises(Error, match=r'^a view in a notebook needs anywidget: pip install "kqv\[notebook\]"$'):
        trace.widget()
    with viewed.shown_while(trace):  # nothing is shown, and nothing fails
        pass


@needs_views
@pytest.mark.usefixtures("in_notebook")
def test_a_notebook_is_given_the_view_beside_text_and_table(trace: Trace) -> None:
    from IPython.core.formatters import DisplayFormatter

    formatter = DisplayFormatter()
    formatter.active_types = ["text/plain", "text/html", WIDGET]
    data, _ = formatter.format(trace)
    assert data.keys() == {"text/plain", "text/html", WIDGET}
    assert data["text/plain"] == repr(trace)
    assert formatter.format(trace)[0][WIDGET] == data[WIDGET]  # shown again it is the same view
    with kqv.Trace() as recording:
        assert recording._repr_mimebundle_() == {}


@needs_views
@pytest.mark.usefixtures("in_notebook")
def test_of_what_a_notebook_showed_by_itself_the_oldest_is_let_go() -> None:
    from kqv.notebook import views

    model = torch.nn.Linear(2, 2)
    for _ in range(views.MOST + 3):
        with kqv.Trace(model) as trace:
            model(torch.ones(1, 2))
        assert WIDGET in trace._repr_mimebundle_()
    assert len(views._shown) == views.MOST


@needs_views
def test_a_cell_may_be_written_in_words_and_comes_back_as_an_explanation(trace: Trace) -> None:
    view = trace.widget(cell=f"{WEIGHTS}[0,1,it,pizza]")
    assert view.cell == f"{WEIGHTS}[0,1,5,1]"
    assert view.chosen.value == float(trace[WEIGHTS].value[0, 1, 5, 1])
    for numbered in ("grad:logits[0,2,3]", "logits[batch=0, position=2, vocab=3]", "update:norm.weight[3]", "ids[0,1]"):
        view.cell = numbered
        assert view.cell == numbered
    view.cell = "grad:logits[0,2,3]"
    assert view.chosen.cell.phase == "backward"
    view.cell = ""
    assert view.chosen is None


@needs_views
@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"cell": "nothing[0]"}, "has no tensor named 'nothing'"),
        ({"cell": f"{WEIGHTS}[0,9,0,0]"}, "9"),
        ({"tensor": "nothing"}, "has no tensor named 'nothing'"),
        ({"language": "fr"}, "language"),
        ({"colour": "red"}, "no 'colour'; it has: cell, tensor, phase, language, theme"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(trace: Trace, choices: dict[str, str], said: str) -> None:
    with pytest.raises(Error, match=said) as raised:
        trace.widget(**choices)
    assert "\n" not in str(raised.value)


@needs_views
def test_numbers_come_window_by_window(trace: Trace) -> None:
    view = trace.widget()
    value = trace[WEIGHTS].value
    np.testing.assert_array_equal(floats(view, tensor=WEIGHTS), value.flatten())
    part = floats(view, tensor=WEIGHTS, window="batch=0,head=1,query=2:5,key=1:3")
    np.testing.assert_array_equal(part, value[0, 1, 2:5, 1:3].flatten())
    largest = floats(view, tensor=WEIGHTS, window="batch=0,head=0", blocks="query=7,key=7")
    assert largest.tolist() == [float(value[0, 0].max())]
    content, _ = ask(view, "summary", tensor=WEIGHTS, phase="backward")
    assert content["content"]["count"] == value.numel()


@needs_views
def test_a_large_tensor_travels_in_parts_alone() -> None:
    with kqv.Trace() as trace:
        kqv.note("large", torch.arange(5_000_000.0), "position")
    view = trace.widget()
    assert len(json.dumps(view.header)) < 5000
    content, buffers = ask(view, "numbers", tensor="large")
    assert "ask for a smaller window" in content["error"]
    assert buffers == []
    assert floats(view, tensor="large", window="position=4999990:5000000").tolist() == list(range(4999990, 5000000))
    assert floats(view, tensor="large", blocks="position=500000").shape == (10,)


@needs_views
def test_numbers_that_are_not_finite(trace: Trace) -> None:
    masked = "blocks.0.attention.masked_scores"
    view = trace.widget()
    assert float("-inf") in floats(view, tensor=masked).tolist()
    content, _ = ask(view, "cell", cell=f"{masked}[0,0,0,3]")
    assert content["content"]["value"] == "−∞"
    with kqv.Trace() as broken:
        kqv.note("broken", torch.tensor([1.0, float("nan"), float("inf")]), "position")
    view = broken.widget()
    np.testing.assert_array_equal(floats(view, tensor="broken"), [1, np.nan, np.inf])
    assert ask(view, "cell", cell="broken[1]")[0]["content"]["value"] == "NaN"
    assert ask(view, "summary", tensor="broken")[0]["content"]["not_a_number"] == 1


@needs_views
def test_a_cell_its_path_its_words_and_its_code(trace: Trace) -> None:
    view = trace.widget()
    cell = f"{WEIGHTS}[0,1,5,1]"
    found = ask(view, "cell", cell=cell)[0]["content"]
    assert found["value"] == trace.cell(cell).value
    assert 'key " pizza"' in found["words"]
    path = ask(view, "path", cell=cell)[0]["content"]
    assert [step["cell"] for step in path] == [str(step.cell) for step in trace.path_to_input(cell)]
    words = ask(view, "words", tensor=WEIGHTS, dimension="query", start=0, stop=3)[0]["content"]
    assert words == WORDS[:3]
    file, _, line = found["location"].rpartition(":")
    code = ask(view, "code", file=file, line=int(line))[0]["content"]
    assert "weights" in code["lines"][int(line) - code["start"]]


@needs_views
@pytest.mark.parametrize(
    ("about", "query", "said"),
    [
        ("cell", {"cell": "nothing[0]"}, "has no tensor named"),
        ("cell", {}, "cannot read what is asked of 'cell'"),
        ("numbers", {"tensor": WEIGHTS, "phase": "sideways"}, "cannot read what is asked of 'numbers': phase"),
        ("code", {"file": "/etc/passwd", "line": 1}, "is not a file of kqv's own source"),
        ("__init__", {}, "there is no question '__init__' here"),
    ],
)
def test_what_cannot_be_answered_says_why(trace: Trace, about: str, query: dict[str, Any], said: str) -> None:
    content, buffers = ask(trace.widget(), about, **query)
    assert said in content["error"]
    assert "\n" not in content["error"]
    assert buffers == []


@needs_views
def test_what_is_no_question_is_passed_over(trace: Trace) -> None:
    view = trace.widget()
    view.send = pytest.fail
    for content in (None, "x", {}, {"ask": 1}, {"event": "click"}):
        view._asked(view, content, [])


@needs_views
def test_two_views_of_a_trace_are_independent(trace: Trace) -> None:
    one, other = trace.widget(cell=f"{WEIGHTS}[0,0,5,1]"), trace.widget(language="de")
    other.cell = "logits[0,0,0]"
    assert (one.cell, one.language) == (f"{WEIGHTS}[0,0,5,1]", "")
    one.close()
    np.testing.assert_array_equal(floats(other, tensor=WEIGHTS), trace[WEIGHTS].value.flatten())


@needs_views
def test_a_run_shows_what_it_measured(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    view = run.widget()
    json.dumps(view.run, allow_nan=False)
    assert (view.run["state"], view.run["step"], view.run["name"]) == ("finished", 12, "small")
    for name in ("loss", "validation_loss"):
        expected = [(line["step"], line[name]) for line in run.metrics() if name in line]
        steps, values = np.frombuffer(view.curves[name], "<f4").reshape(2, -1)
        np.testing.assert_allclose(list(zip(steps, values, strict=True)), expected, rtol=1e-6)
    with (run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 13, "loss": 0.25}\n')
    view.look()
    assert view.run["numbers"]["loss"] == np.frombuffer(view.curves["loss"], "<f4")[-1] == 0.25


@needs_views
def test_an_answer_shows_its_rows_and_curves(tmp_path: Path) -> None:
    answer = kqv.compare(
        "digits", vary={"model.activation": ["relu", "tanh"]}, seeds=1, steps=3, out=tmp_path / "question"
    )
    view = answer.widget()
    json.dumps(view.answer, allow_nan=False)
    assert [row["variant"] for row in view.answer["rows"]] == [result.label for result in answer.results]
    assert [row["mean"] for row in view.answer["rows"]] == [result.mean for result in answer.results]
    wanted = {f"{at},{line}" for at, part in enumerate(view.answer["parts"]) for line in range(len(part["lines"]))}
    assert view.lines.keys() == wanted != set()
    assert all(len(rows) % 16 == 0 for rows in view.lines.values())


@needs_views
def test_why_is_split_and_what_is_switched_off_is_a_pass() -> None:
    why = Why(gpt("gpt2"))
    split = why.token("good", "tasted")
    view = why.widget(token="good", after="tasted")
    json.dumps(view.split, allow_nan=False)
    assert (view.split["token"], view.split["word"], view.split["value"]) == ("good", "tasted", split.value)
    part = split.largest(1)[0][0].name
    content, _ = ask(view, "changed", changes=[{"how": "mean", "part": "block 1 head 2"}])
    changed = why.mean("block 1 head 2")
    expected = changed.logit_and_probability(why.word("good", "tasted"), "tasted")
    assert content["content"]["after"] == pytest.approx(expected)
    rows, _ = ask(view, "tested", most=2)
    assert [row["after"] for row in rows["content"]] == [row.after for row in why.test_token("good", "tasted", most=2)]
    view.switched = {"parts": ["blocks.1.attention.2", part], "way": "taken", "text": "good pizza", "hides": False}
    assert view.changed.words == why.taken("block 1 head 2", "good pizza").taken(part, "good pizza").words
    assert ask(view, "changed", changes=[{"how": "mean", "part": "block 9"}])[0]["error"].startswith("the model has no")


@needs_views
def test_a_score_is_asked_for_by_a_cell_or_by_two_words() -> None:
    why = Why(gpt("gpt2"))
    cell = "blocks.1.attention.scores[0,2,it,pizza]"
    view = why.widget(score=cell, against="the")
    assert view.split["value"] == why.score(cell, "the").value
    found = why.widget(strongest=("it", "pizza")).split["cell"]
    assert found == why.strongest("it", "pizza")[0].cell
    view = why.widget(score=found)
    view.switched = {"parts": [], "way": "without", "text": "", "hides": True}
    assert view.changed.score_and_weight(found)["weight"] == 0
    alone = why.score(cell).widget()
    assert (alone.view, alone.split["value"], alone.answering()) == ("split", why.score(cell).value, {})
    with pytest.raises(Error, match="choose one: score, strongest, or token"):
        why.widget(score=cell, token="good")


@needs_views
@pytest.mark.usefixtures("in_notebook")
def test_a_notebook_is_given_the_view_of_why_and_of_a_split() -> None:
    why = Why(gpt("gpt2"))
    for shown in (why, why.token("good"), why.score("blocks.1.attention.scores[0,2,it,pizza]")):
        assert WIDGET in shown._repr_mimebundle_()
    assert repr(why.without("block 0 head 1")) == "<Why of GPT on 8 tokens, without block 0 head 1>"
    assert Why(bert())._repr_mimebundle_() == {}  # it predicts nothing, so there is no token to split


@needs_views
def test_a_damaged_run_says_so(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    run.checkpoint_file.unlink()
    assert run.widget().run["state"] == "damaged"


@needs_views
@pytest.mark.usefixtures("in_notebook")
def test_a_training_is_shown_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kqv.notebook import run as notebook_run
    from kqv.notebook import views

    monkeypatch.setattr(notebook_run, "SECONDS", 0.01)
    shown: list[Any] = []
    states: list[str] = []

    def display(view: Any) -> None:
        view.observe(lambda change: states.append(change["new"]["state"]), "run")
        shown.append(view)

    monkeypatch.setattr(views, "display", display)
    run = small_run(tmp_path, steps=150)
    (view,) = shown
    assert view.of == run
    assert "running" in states
    assert view.run["state"] == "finished"
    assert run._repr_mimebundle_() == {}  # the cell that trained shows it already
    monkeypatch.setattr(views, "_execution", lambda: 7)
    assert WIDGET in run._repr_mimebundle_()
    time.sleep(0.05)
    assert not any(thread.name == "view of small" and thread.is_alive() for thread in threading.enumerate())
    small_run(tmp_path / "quiet", show=False)
    assert len(shown) == 1


@needs_views
@pytest.mark.usefixtures("in_notebook")
def test_the_guides_notebook_runs_and_shows_its_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    from kqv.notebook import views

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # IPython would import from there from now on
    shell = InteractiveShell()
    monkeypatch.setattr(views, "_execution", lambda: shell.execution_count)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    given = []
    for source in (cell["source"] for cell in cells if cell["cell_type"] == "code"):
        shell.execution_count += 1
        done = shell.run_cell(source.replace("steps=500", "steps=2"))
        done.raise_error()
        given.append(None if done.result is None else type(done.result).__name__)
        if done.result is not None:
            assert WIDGET in str(done.result._repr_mimebundle_())
    assert given == [None, "Trace", "TraceView", None, "Trained"]


@needs_views
def test_the_module_is_small() -> None:
    assert len(gzip.compress((STATIC / "widget.js").read_bytes())) <= 150_000


def test_a_trace_of_any_model_by_its_name(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    trace = kqv.traced(run, "3")
    assert trace["pixels" if "pixels" in trace else trace.tensors[-1].name] is not None
    assert kqv.traced(str(run.path), "3").updates.keys() == trace.updates.keys() != set()
    with pytest.raises(TraceError):
        trace.cell("nothing[0]")
