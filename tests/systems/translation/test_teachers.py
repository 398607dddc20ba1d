"""Teachers: a translator that learns from others' translations; made once, kept, and part of the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import kqv
from kqv.data.parallel.load import load_parallel
from kqv.data.parallel.pairs import Pairs
from kqv.errors import DataError, Error, RunError
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.changes import Changes
from kqv.systems.system import Asked, Watcher, system_named
from kqv.systems.training import Begun, begin, resume
from kqv.systems.translation import teachers
from kqv.systems.translation.ensemble import Translators, load_translators
from kqv.systems.translation.recipes import SearchPlan, TranslationRecipe, numbers_dates
from kqv.systems.translation.translating import Translation
from kqv.tensors import digest, weights_of
from kqv.training.distributed import ALONE
from kqv.training.run import Run

PAIRS = [(f"der Satz {number} ist kurz", f"sentence {number} is short") for number in range(60)]
SYSTEM = system_named("translate")


def recipe(steps: int = 6, every: int = 3, **data: Any) -> TranslationRecipe:
    base = numbers_dates()
    return base.model_copy(
        update={
            "model": TranslatorArchitecture(
                context=48, width=16, heads=2, hidden=32, encoder_blocks=1, decoder_blocks=1, dropout=0.1
            ),
            "data": base.data.model_copy(update={"bucket_width": 2, **data}),
            "search": SearchPlan(beams=2, length_penalty=0.5),
            "training": base.training.model_copy(
                update={
                    "learning_rate": 0.02, "adamw_learning_rate": 0.003, "momentum": 0.95, "batch": 512, "steps": steps,
                    "evaluate_every": every,
                }
            ),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def taught_by(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers `first` and `second` of a little knowledge, and runs that are none."""
    found = tmp_path_factory.mktemp("teachers")
    for side, language in enumerate(("de", "en")):
        (found / f"pairs.{language}").write_text("".join(f"{pair[side]}\n" for pair in PAIRS), encoding="utf-8")
    data = f"{found}/pairs.de,{found}/pairs.en"
    for seed, name in enumerate(("first", "second"), 1):
        kqv.train("translate", data=data, recipe=recipe(80, every=80), out=found / name, seed=seed, dropout=0.0)
    kqv.train("translate", data=f"{found}/pairs.en,{found}/pairs.de", recipe=recipe(1), out=found / "back")
    kqv.train("translate", data=data, recipe=recipe(1, tokenizer="bytes"), out=found / "bytes")
    kqv.train("digits", steps=1, out=found / "digits")
    return found


@pytest.fixture
def folder(taught_by: Path, tmp_path: Path) -> Path:
    """A copy of the teachers, which may be written to; the data is where it was."""
    return Path(shutil.copytree(taught_by, tmp_path / "runs"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many sentences each search was, from now on; blocks have 20 sentences."""
    found: list[int] = []
    original = Translators.translate

    def counted(self: Translators, sentences: Any, how: Any, **options: Any) -> Any:
        found.append(len(sentences))
        return original(self, sentences, how, **options)

    monkeypatch.setattr(Translators, "translate", counted)
    monkeypatch.setattr(teachers, "BLOCK", 20)
    return found


def begun(folder: Path, name: str, *, watcher: Watcher | None = None, **changes: Any) -> Begun:
    """A student of `first` and `second`, unless it is to have others, ready to be trained."""
    wanted = {"teacher": [str(folder / "first"), str(folder / "second")], **changes}
    asked = Asked(None, Changes(**wanted))
    return begin(SYSTEM, asked, folder / name, ALONE, watcher or Watcher())


def text_of(folder: Path) -> Any:
    data = Run(folder / "first").recipe.data.name
    return load_parallel(data.split(","))


def trained_pairs(student: Begun) -> Pairs:
    task: Any = student.trainer.task
    vocabularies = task.scored.vocabularies
    return tuple((vocabularies.source.decode(a), vocabularies.target.decode(b)) for a, b in task.train.whole)


def same_weights(one: Path, other: Path) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_a_student_is_trained_on_what_its_teachers_say_together(folder: Path) -> None:
    student, text = begun(folder, "student"), text_of(folder)
    together = load_translators([str(folder / name) for name in ("first", "second")])
    sources = [source for source, _ in text.train]
    said = [found[0].text for found in together.translate(sources, together.search())]
    assert trained_pairs(student) == tuple(zip(sources, said, strict=True))
    assert sum(line != reference for line, (_, reference) in zip(said, text.train, strict=True)) > 5, "they differ"
    assert len(set(said)) > 2
    assert student.run.teacher_file.read_text(encoding="utf-8").splitlines() == said
    task: Any = student.trainer.task
    assert task.scored.pairs == text.validation, "validation is by the data's own pairs"
    assert [task.scored.vocabularies.target.decode(b) for _, b in task.validation] == [b for _, b in text.validation]
    assert "it is trained on translations by " in student.planned.description


def test_the_recipe_records_who_taught(folder: Path) -> None:
    run = begun(folder, "student").run
    plan = run.recipe_of(TranslationRecipe).data
    assert plan.teacher is not None
    for name, teacher in zip(("first", "second"), plan.teacher.teachers, strict=True):
        loaded = kqv.load(folder / name)
        assert teacher.name == str(folder / name)
        assert teacher.identity == Run(folder / name).identity
        assert teacher.weights == digest(weights_of(loaded.model))[:32]
    assert plan.teacher.search == SearchPlan(beams=2, length_penalty=0.5)
    mine, theirs = run.config, Run(folder / "first").config
    assert mine.data.vocabulary == theirs.data.vocabulary
    assert mine.data.sha256 != theirs.data.sha256, "it is other data"
    assert run.tokenizer_file.read_bytes() == Run(folder / "first").tokenizer_file.read_bytes()
    own = Run(folder / "first").recipe_of(TranslationRecipe)
    student = run.recipe_of(TranslationRecipe)
    assert student.model_copy(update={"data": own.data, "training": own.training}) == own, "it has the first one's"


def test_the_datas_own_translations_may_come_too(folder: Path) -> None:
    names = [str(folder / "first"), str(folder / "second")]
    student = begun(folder, "student", teacher={"teachers": names, "also_originals": True})
    text = text_of(folder)
    pairs = trained_pairs(student)
    lines = student.run.teacher_file.read_text(encoding="utf-8").splitlines()
    assert pairs[: len(lines)] == tuple((source, line) for (source, _), line in zip(text.train, lines, strict=True))
    assert pairs[len(lines) :] == text.train
    assert student.run.config.data.train == 2 * len(text.train)
    assert student.planned.description.endswith(", and on the data's own")


def test_another_recipe_learns_from_one_teacher(folder: Path) -> None:
    data = Run(folder / "first").recipe.data.name
    wide = recipe().model_copy(update={"model": TranslatorArchitecture(
        context=64, width=24, heads=2, hidden=32, encoder_blocks=2, decoder_blocks=1, tables="separate"
    )})  # fmt: skip
    done = kqv.train(
        "translate", recipe=wide, data=data, teacher=str(folder / "first"), out=folder / "wide", source="de",
        target="en",
    )  # fmt: skip
    assert done.model.model.width == 24
    assert done.model.vocabularies.sha256 == Run(folder / "first").config.data.vocabulary
    assert isinstance(done.model.translate("der Satz 3 ist kurz"), str)
    with pytest.raises(Error, match=r"translate takes one sentence, a text; got a list: for several, \[model"):
        done.model.translate(["der Satz 3 ist kurz"])


class Stopping:
    """Stops a training as a kill does, behind step 3's checkpoint."""

    def started(self, step: int, steps: int) -> None:
        pass

    def stepped(self, step: int, loss: float, rate: float) -> None:
        pass

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("also_originals", [False, True])
def test_a_killed_run_goes_on_without_its_teachers(folder: Path, calls: list[int], also_originals: bool) -> None:
    teacher = {"teachers": [str(folder / "first"), str(folder / "second")], "also_originals": also_originals}
    wanted: dict[str, Any] = {"recipe": recipe(), "data": Run(folder / "first").recipe.data.name, "teacher": teacher}
    kqv.train("translate", out=folder / "whole", **wanted)
    with pytest.raises(KeyboardInterrupt):
        kqv.train("translate", out=folder / "parts", listener=Stopping(), **wanted)
    for name in ("first", "second"):
        shutil.rmtree(folder / name)
    calls.clear()
    kqv.train("translate", resume_run=folder / "parts")
    assert calls == []
    assert same_weights(folder / "whole", folder / "parts")


class KilledError(Exception):
    """Stands for the end of the process."""


class Killing(Watcher):
    """Ends a process while its teachers translate, once so many sentences are done."""

    def __init__(self, at: int) -> None:
        self.at = at

    @contextmanager
    def translating(self) -> Iterator[Callable[[int, int], None]]:
        def advance(done: int, whole: int) -> None:
            assert whole == len(PAIRS) - 6
            if done > self.at:
                raise KilledError

        yield advance


def test_a_kill_while_the_teachers_translate_loses_one_block(folder: Path, calls: list[int]) -> None:
    with pytest.raises(KilledError):
        begun(folder, "student", watcher=Killing(40))
    assert not (folder / "student").exists(), "there is no half of a run"
    assert calls == [20, 20, 14]
    calls.clear()
    student = begun(folder, "student")
    assert calls == [14]
    shutil.rmtree(folder / "first" / "translations")
    again = begun(folder, "again")
    assert calls == [14, 20, 20, 14]
    assert again.run.teacher_file.read_bytes() == student.run.teacher_file.read_bytes()


def test_another_student_is_taught_the_same_without_translating(folder: Path, calls: list[int]) -> None:
    one = begun(folder, "one")
    calls.clear()
    other = begun(folder, "other", width=24, seed=5)
    assert calls == []
    assert other.run.teacher_file.read_bytes() == one.run.teacher_file.read_bytes()
    begun(folder, "alone", teacher=str(folder / "first"))
    assert calls, "other teachers, other translations"


def test_what_was_kept_and_is_damaged_is_made_again(folder: Path, calls: list[int]) -> None:
    one = begun(folder, "one")
    (kept,) = (folder / "first" / "translations").iterdir()
    lines = [line for line in kept.read_bytes().split(b"\n") if line]
    assert len(lines) == 3
    changed = json.loads(lines[1])
    changed["translations"][0][0] = "something else"
    lines[1] = json.dumps(changed).encode()
    kept.write_bytes(b"\n".join([*lines[:2], lines[2][:-9]]))  # and the last line was cut off
    calls.clear()
    other = begun(folder, "other")
    assert calls == [20, 14]
    assert other.run.teacher_file.read_bytes() == one.run.teacher_file.read_bytes()
    calls.clear()
    begun(folder, "third")
    assert calls == []


def test_teachers_that_cannot_be_written_to_teach_all_the_same(folder: Path, calls: list[int]) -> None:
    (folder / "first" / "translations").write_text("a file in the way")
    begun(folder, "student")
    assert calls == [20, 20, 14]


def test_a_translation_that_is_of_no_use_leaves_the_datas_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(self: Translators, sentences: Any, how: Any, **options: Any) -> Any:
        kinds = [
            Translation("is is", 0, 0, complete=False), Translation(" ", 0, 0), Translation("short " * 50, 0, 0),
            Translation("sentence\nshort", 0, 0),
        ]  # fmt: skip
        return [[kinds[number % 4]] for number in range(len(sentences))]

    monkeypatch.setattr(Translators, "translate", poor)
    student = begun(folder, "student")
    text = text_of(folder)
    lines = student.run.teacher_file.read_text(encoding="utf-8").splitlines()
    for number, (line, (_, reference)) in enumerate(zip(lines, text.train, strict=True)):
        assert line == ("sentence short" if number % 4 == 3 else reference)
    plan = student.run.recipe_of(TranslationRecipe).data.teacher
    assert plan is not None
    assert plan.own == sum(number % 4 != 3 for number in range(len(lines)))
    (note,) = student.planned.notes(student.trainer)
    assert note.startswith(f"{plan.own:,} translations are the data's own")


def test_a_damaged_lesson_is_named(folder: Path) -> None:
    run = begun(folder, "student").run
    good = run.teacher_file.read_bytes()
    run.teacher_file.write_bytes(good.replace(b"s", b"z", 1))
    with pytest.raises(RunError, match=r"teacher\.txt is damaged, its checksum is not the one in config\.json"):
        resume(SYSTEM, run, ALONE, Watcher())
    run.teacher_file.unlink()
    with pytest.raises(RunError, match=r"teacher\.txt is missing"):
        resume(SYSTEM, run, ALONE, Watcher())
    run.teacher_file.write_bytes(good)
    assert resume(SYSTEM, run, ALONE, Watcher()).step == 0


def test_a_lesson_that_was_removed_while_training_is_written_again(folder: Path) -> None:
    student = begun(folder, "student", steps=3)
    good = student.run.teacher_file.read_bytes()

    class Removing(Stopping):
        def evaluated(self, step: int, scores: dict[str, float]) -> None:
            student.run.teacher_file.unlink()

    resume(SYSTEM, student.run, ALONE, Watcher(), listener=Removing()).train()
    assert student.run.teacher_file.read_bytes() == good


def test_other_data_is_refused_when_a_run_goes_on(folder: Path, tmp_path: Path) -> None:
    run = begun(folder, "student").run
    for name, pairs in (("fewer", PAIRS[:40]), ("other", [(f"{a}?", b) for a, b in PAIRS])):
        for side, language in enumerate(("de", "en")):
            (tmp_path / f"{name}.{language}").write_text("".join(f"{pair[side]}\n" for pair in pairs))
        with pytest.raises((RunError, DataError)) as failure:
            resume(SYSTEM, run, ALONE, Watcher(), data=f"{tmp_path}/{name}.de,{tmp_path}/{name}.en")
        assert "put the old data back" in str(failure.value) or "?" in str(failure.value)


def refused(folder: Path, **changes: Any) -> str:
    """What is said of a student that cannot be taught so; nothing of it is left, and nothing was translated."""
    with pytest.raises(Error) as failure:
        begun(folder, "student", **changes)
    assert not (folder / "student").exists()
    assert not (folder / "first" / "translations").exists()
    assert "\n" not in str(failure.value)
    return str(failure.value)


def test_teachers_that_do_not_suit_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    first = str(folder / "first")
    data = Run(folder / "first").recipe.data.name
    back = ",".join(reversed(data.split(",")))
    assert "the run translates from de to en, and /" in refused(folder, teacher=first, data=back)
    other = f"{first} translates from de to en, and pairs.en and pairs.de is from en to de"
    assert other in refused(folder, teacher=first, data=back, source="en", target="de")
    assert "translates raw text, and the text is tokenised" in refused(folder, teacher=first, form="tokenised")
    assert "translates from de to en, and" in refused(folder, teacher=[first, str(folder / "back")])
    assert "have different vocabularies" in refused(folder, teacher=[first, str(folder / "bytes")])
    assert "is a digits run; this needs one of translate" in refused(folder, teacher=str(folder / "digits"))
    assert "there is no run 'nobody'" in refused(folder, teacher="nobody")
    keeps = "--teacher keeps the vocabulary of the teacher; leave out tokenizer"
    assert keeps in refused(folder, teacher=first, tokenizer="bpe")
    for name, sentence, problem in (
        ("signs", "der Satz ☃ ist", "the teacher cannot read 'der Satz ☃ ist"),
        ("long", "der Satz " * 9, "has 83 tokens, and the teacher reads 48"),
    ):
        (tmp_path / f"{name}.de").write_text("".join(f"{sentence}{n % 10}\n" for n in range(60)))
        (tmp_path / f"{name}.en").write_text("".join(f"sentence {n} is short\n" for n in range(60)))
        where = f"{tmp_path}/{name}.de,{tmp_path}/{name}.en"
        assert problem in refused(folder, teacher=first, data=where, context=200)


def test_starting_weights_have_the_teachers_vocabulary(folder: Path) -> None:
    def asked(weights: str) -> Any:
        changes = Changes(teacher=str(folder / "first"), steps=1)
        return begin(SYSTEM, Asked(None, changes, str(folder / weights)), folder / "student", ALONE, Watcher())

    with pytest.raises(Error, match="the model of --from has another vocabulary than"):
        asked("bytes")
    assert torch.equal(
        asked("second").trainer.task.model.tokens.weight, kqv.load(folder / "second").model.tokens.weight
    )


def test_who_starts_from_a_student_is_not_taught(folder: Path) -> None:
    begun(folder, "student", steps=1).trainer.train()
    done = kqv.train("translate", weights_from=folder / "student", steps=1, out=folder / "tuned")
    assert done.run.recipe_of(TranslationRecipe).data.teacher is None
    assert not done.run.teacher_file.exists()


def test_other_systems_have_no_teachers() -> None:
    with pytest.raises(Error, match="teacher"):
        kqv.train("digits", teacher="runs/x", out="nowhere")
    assert not Path("nowhere").exists()
