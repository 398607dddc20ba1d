"""Traces of a run's model on one text: what is recorded, and what is said of a state that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.errors import RunError
from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.systems.gpt.traced import load_text_for_tracing, trace_text
from kqv.tensors import read_tensors, write_tensors
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of two steps of a small GPT."""
    file = tmp_path / "text.txt"
    file.write_text("".join(f"{number} times {number} is {number * number}\n" for number in range(100)))
    recipe = GPTRecipe(
        name="gpt", model=Architecture(blocks=1, heads=2, width=8, context=8), data=TextPlan(name=str(file)),
        training=TrainingPlan(learning_rate=1e-2, batch=4, steps=2),
    )  # fmt: skip
    run, trainer = start(recipe, load_text(file), tmp_path / "run", torch.device("cpu"))
    trainer.train()
    return run


def test_everything_in_a_texts_trace_has_a_name(run: Run) -> None:
    loaded, optimizer = load_text_for_tracing(run)
    ids = torch.from_numpy(loaded.tokenizer.encode("7 times").astype("int64"))
    trace = trace_text(loaded.model, ids, optimizer)
    activations = [record.name for record in trace if record.kind == "activation"]
    assert activations[:2] == ["ids", "positions"]
    assert not any(name.rpartition(".")[2].startswith("given") for name in activations)
    assert torch.equal(trace["ids"].value[0], ids), "the last token is read too, though none comes after it"
    assert trace["next"].value.tolist() == [int(trace["logits"].value[0, -1].argmax())]
    assert torch.equal(trace["targets"].value[0], ids[1:])
    assert trace.cell("blocks.0.attention.masked_scores[0,0,1,2]").value == -torch.inf
    assert trace.cell("update:tokens.weight[0,0]").agrees


def test_a_state_of_another_run_is_named_with_its_file(run: Run) -> None:
    tensors, facts = read_tensors(run.checkpoint_file)
    name = next(name for name in tensors if name.startswith("optimizer/") and tensors[name].dim() == 2)
    write_tensors(run.checkpoint_file, tensors | {name: torch.zeros(3, 3)}, facts)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        load_text_for_tracing(run)
