"""`kqv train gpt`: a GPT on any text."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import Compile, Minutes, Out, Plot, Precision, Resume, Seed, Steps, TensorBoard
from kqv.cli.training import (
    announce_going_on,
    check_flags,
    checkpoint_seconds,
    find_to_resume,
    finish,
    measure_peak,
    place_of,
    run_name,
    trained,
    write_to_tensorboard,
)
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.cli.progress import TrainingDisplay
    from kqv.data.text.corpora import Corpus
    from kqv.data.text.tokens import Advance
    from kqv.training.distributed import Group
    from kqv.training.gpt import Pretrained
    from kqv.training.gpt_recipes import GPTRecipe
    from kqv.training.loop import Trainer
    from kqv.training.run import Run

Data = Annotated[
    str | None,
    typer.Option(help="A text file, a folder of texts, or a named text: python-docs (embedded), shakespeare."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="What to train and how: gpt (default), nanogpt-cpu, shakespeare-fast, shakespeare-minute, "
        "shakespeare-best, shakespeare-large."
    ),
]
FromModel = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="RUN|FOLDER|NAME",
        help="Start from a trained model, with its vocabulary: a run, a folder in Hugging Face's layout, or a name on "
        "its hub.",
    ),
]  # fmt: skip
Vocabulary = Annotated[
    Literal["auto", "characters", "bytes", "bpe", "gpt2"] | None,
    typer.Option("--tokenizer", help="What the text is cut into; without it, what suits the text."),
]


def gpt(
    data: Data = None, recipe: Recipe = None, tokenizer: Vocabulary = None, out: Out = None, resume: Resume = None,
    from_model: FromModel = None, seed: Seed = None, steps: Steps = None, minutes: Minutes = None,
    precision: Precision = None, compile_model: Compile = False, device: Device = "auto", plot: Plot = None,
    tensorboard: TensorBoard = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Train a GPT on any text; without --data on Python's language reference. Ctrl-C saves it and says how to go on."""
    computing = {"precision": precision, "compile": compile_model or None}
    check_flags(resume, (recipe, tokenizer, out, from_model, seed, *computing.values()), steps, minutes)
    every = checkpoint_seconds()

    from kqv.cli.experiment import plot_run
    from kqv.plots.figures import check_ending
    from kqv.training.devices import choose_device, device_of
    from kqv.training.distributed import joined
    from kqv.training.tensorboard import require_tensorboard

    if plot is not None:
        check_ending(plot)
    if tensorboard:
        require_tensorboard()
    old = None if resume is None else find_to_resume(resume, "gpt")
    chosen = device_of(old) if old is not None and device == "auto" else choose_device(device)
    with joined(chosen) as group:
        if old is not None:
            run, trainer, display = old, *_go_on(old, group, steps, data, every)
        else:
            run, trainer, display = _start(
                group, data, recipe, tokenizer, out, from_model, seed, steps, minutes, every, computing
            )
        if tensorboard:
            write_to_tensorboard(trainer)
        measure_peak(trainer, display)
        result = trained("gpt", run, trainer, display)
    if group.is_first:
        if plot is not None:
            plot_run(run, plot)
        finish(run, result, as_json, {
            "let it write": f"kqv generate {run.path}", "test it": f"kqv evaluate {run.path}",
            "look inside": f"kqv trace {run.path}",
        })  # fmt: skip


def _start(
    group: Group, data: str | None, recipe: str | None, tokenizer: str | None, out: Path | None, from_model: str | None,
    seed: int | None, steps: int | None, minutes: float | None, every: float, computing: dict[str, Any],
) -> tuple[Run, Trainer, TrainingDisplay]:  # fmt: skip
    """A new run from the command line's words."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.cli.texts import announce_tokenizer
    from kqv.training import gpt as system
    from kqv.training.fine_tuning import in_words
    from kqv.training.gpt_recipes import MINUTES
    from kqv.training.gpt_recipes import gpt as gpt_recipe_for
    from kqv.training.run import new_path

    other = None if from_model is None else _pretrained(from_model, tokenizer, group)
    plan = _recipe(recipe, other, steps)
    name = place_of(data or plan.data.name)
    corpus = _load(name, group)
    if recipe in (None, "gpt") and other is None:
        plan = gpt_recipe_for(corpus.size, group.device.type != "cpu")
        minutes = MINUTES if steps is None and minutes is None else minutes
    own_name = run_name(plan.name, "" if name == plan.data.name else name)
    plan = system.changed(plan, data=name, tokenizer=tokenizer, seed=seed, steps=steps)
    given = {name: value for name, value in computing.items() if value is not None}
    plan = plan.model_copy(update={"training": plan.training.model_copy(update=given)})
    if out is None:
        out = new_path(own_name) if group.is_first else Path()
    if other is None:
        with group.first_goes_first():
            if group.is_first:
                announce_tokenizer(corpus, plan.data.tokenizer)
    display = TrainingDisplay(unit="tokens")
    with _tokenizing(group) as progress:
        run, trainer = system.start(
            plan, corpus, out, group.device, minutes=minutes, weights_from=other, listener=display,
            checkpoint_seconds=every, group=group, progress=progress,
        )  # fmt: skip
    display.heading(plan.name, run.path, trainer.task.model, description=corpus.describe())
    if minutes is not None:
        display.print(f"  {length_in_words(minutes, trainer)}")
    model: Any = trainer.task.model
    if plan.model.dropout is None and model.parts["dropout"]:
        dropout = f"{model.parts['dropout']:g}"
        display.print(f"  dropout {dropout}, so that a text that is seen so often is not learned by heart")
    if other is not None:
        display.print(f"  from the weights of {other.origin}; {in_words(plan)}")
        if model.context < other.plan.context:
            display.print(f"  its context is cut from {other.plan.context:,} to {model.context:,}: the text is short")
    return run, trainer, display


def length_in_words(minutes: float, trainer: Trainer) -> str:
    """How long a training by the clock will be in steps and epochs."""
    plan, task = trainer.plan, trainer.task
    epochs = trainer.steps / task.epoch
    times = f"each token is seen {epochs:.1f} times" if epochs >= 1 else f"{100 * epochs:.0f} % of the text is seen"
    if plan.most_epochs is not None and epochs >= 0.99 * plan.most_epochs:
        return f"{trainer.steps:,} steps, in which {times}: more would teach it the text by heart; --steps sets them"
    return f"about {minutes:g} min: {trainer.steps:,} steps, {times}; --minutes or --steps change that"


def _recipe(name: str | None, other: Pretrained | None, steps: int | None) -> GPTRecipe:
    """The recipe of that name. Without one that of the run whose weights are taken, or where these were trained
    elsewhere, one for fine-tuning."""
    from kqv.training.fine_tuning import STEPS, fine_tuning
    from kqv.training.gpt_recipes import gpt_recipe

    if name is not None or other is None:
        return gpt_recipe(name)
    return fine_tuning(other.plan, steps or STEPS) if other.recipe is None else other.recipe


def _tokenizing(group: Group) -> AbstractContextManager[Advance | None]:
    """A bar for a text that is cut into tokens; of several processes the first alone draws it."""
    from kqv.cli.texts import tokenizing_bar

    return tokenizing_bar() if group.is_first else nullcontext()


def _pretrained(name: str, tokenizer: str | None, group: Group) -> Pretrained:
    """The model to start from; the first process downloads what is missing, the others find it."""
    from kqv.interchange.pretrained import find

    if tokenizer is not None:
        raise Error("--from keeps the vocabulary that the model was trained with; leave out --tokenizer")
    with group.first_goes_first():
        return find(name)


def _go_on(
    run: Run, group: Group, steps: int | None, data: str | None, every: float
) -> tuple[Trainer, TrainingDisplay]:
    """A run from where it stopped."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.training import gpt as system

    before = system.gpt_recipe_of(run).training.steps
    assert before is not None
    display = TrainingDisplay(unit="tokens")
    with _tokenizing(group) as progress:
        trainer = system.go_on(
            run, lambda name: _load(name, group), group.device,
            steps=steps, data_name=None if data is None else place_of(data),
            listener=display, checkpoint_seconds=every, group=group, progress=progress,
        )  # fmt: skip
    announce_going_on(run, trainer, display, group, before)
    return trainer, display


def _load(name: str, group: Group) -> Corpus:
    """The text; the first process downloads what is missing, the others find it."""
    from kqv.cli.texts import load_text_with_progress

    with group.first_goes_first():
        return load_text_with_progress(name)
