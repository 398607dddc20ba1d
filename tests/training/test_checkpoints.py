"""Checkpoint files: random generators, weights, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kqv.errors import RunError
from kqv.systems.digits.trained import load_network
from kqv.tensors import digest, put_weights, read_tensors, weights_of, write_tensors
from kqv.training.checkpoint import Checkpoint
from kqv.training.randomness import random_state, restore_random_state, seed_all
from kqv.training.run import CHECKPOINT, CLASSES, CONFIG, METRICS, MODEL, Run

CPU = torch.device("cpu")


def drawn() -> list[Any]:
    """Something from every random generator, of both kinds: even numbers, and normal ones, which come in pairs."""
    return [
        torch.rand(3).tolist(), torch.randn(1).item(), np.random.rand(3).tolist(), np.random.randn(),
        random.random(), random.gauss(0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("draws", [0, 1, 2, 700])
def test_every_random_generator_goes_on_where_it_was(draws: int, tmp_path: Path) -> None:
    seed_all(11)
    for _ in range(draws):
        drawn()
    tensors, counters = random_state(CPU)
    write_tensors(tmp_path / "state", tensors, counters.model_dump(mode="json"))
    wanted = [drawn() for _ in range(3)]
    seed_all(12)
    assert [drawn() for _ in range(3)] != wanted
    tensors, header = read_tensors(tmp_path / "state")
    restore_random_state(tensors, type(counters).model_validate(header), CPU, tmp_path / "state")
    assert [drawn() for _ in range(3)] == wanted


def test_seeding_decides_every_random_generator() -> None:
    found = []
    for seed in (3, 3, 4, 2**63 - 1):
        seed_all(seed)
        found.append(drawn())
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[1], found[2], strict=True))


def test_files_are_the_same_for_the_same_content(tmp_path: Path) -> None:
    tensors = {name: torch.arange(5.0) for name in "abcdefgh"}
    for name in ("one", "two"):
        write_tensors(tmp_path / name, tensors, {"step": 3, "more": {"b": 1, "a": 2}})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_files_may_be_read_by_whom_the_folder_is_for(tmp_path: Path) -> None:
    """safetensors makes files that only their owner can read."""
    (tmp_path / "plain").touch()
    write_tensors(tmp_path / "tensors", {"a": torch.zeros(2)})
    assert (tmp_path / "tensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_tensor_with_two_names_is_kept_once() -> None:
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": torch.nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    weights = weights_of(model)
    assert sorted(weights) == ["a.bias", "a.weight", "b.bias"]
    weights["a.weight"] = torch.ones(2, 2)
    put_weights(model, weights, "here")
    assert torch.equal(model["b"].weight, torch.ones(2, 2))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(4).randbytes(3000))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def altered(change: Callable[[dict[str, Tensor], dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Damage inside a file that is otherwise whole: its tensors or its header."""

    def damage(path: Path) -> None:
        tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
        _, header = read_tensors(path)
        change(tensors, header)
        write_tensors(path, tensors, header, run=Run(path.parent).identity)

    return damage


def bit(position: float) -> Callable[[Path], None]:
    """Damage of one bit, so far into the file."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(position * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return damage


def json_with(**changes: Any) -> Callable[[Path], None]:
    """A JSON file with other values; `a__b=1` changes what is inside of a."""

    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        for name, value in changes.items():
            *outer, last = name.split("__")
            inner = content
            for part in outer:
                inner = inner[part]
            inner[last] = value
        path.write_text(json.dumps(content))

    return damage


BITS = {f"a bit at {position:.0%}": bit(position) for position in (0, 0.05, 0.3, 0.5, 0.7, 0.9, 1)}
ANY_FILE = [Path.unlink, truncated, short, empty, garbage, folder]
WEIGHT = "layers.0.weight"
DAMAGED_MODELS = {
    "lacks a tensor": altered(lambda tensors, _: tensors.pop(WEIGHT)),
    "another tensor": altered(lambda tensors, _: tensors.update(more=torch.zeros(1))),
    "another shape": altered(lambda tensors, _: tensors.update({WEIGHT: torch.zeros(12, 63)})),
    "another kind": altered(lambda tensors, _: tensors.update({WEIGHT: torch.zeros(12, 64, dtype=torch.int64)})),
    "a kind that is not written here": lambda path: path.write_bytes(
        path.read_bytes().replace(b'"dtype":"F32","shape":[12,64]', b'"dtype":"U16","shape":[24,64]')
    ),
    "NaN": altered(lambda tensors, _: tensors[WEIGHT][3, 4].fill_(torch.nan)),
    "infinite": altered(lambda tensors, _: tensors[WEIGHT][3, 4].fill_(torch.inf)),
    **BITS,
    "header is no JSON": lambda path: save_file(load_file(path), path, metadata={"kqv": "{"}),
}
DAMAGED_CHECKPOINTS = {
    **BITS,
    "lacks a weight": altered(lambda tensors, _: tensors.pop(f"model/{WEIGHT}")),
    "NaN weight": altered(lambda tensors, _: tensors[f"model/{WEIGHT}"][3, 4].fill_(torch.nan)),
    "lacks a moment": altered(lambda tensors, _: tensors.pop(f"optimizer/{WEIGHT}/first_moment")),
    "lacks losses": altered(lambda tensors, _: tensors.pop("losses")),
    "losses of another shape": altered(lambda tensors, _: tensors.update(losses=torch.zeros(2, 2))),
    "NaN losses": altered(lambda tensors, _: tensors.update(losses=torch.tensor([torch.nan]))),
    "lacks torch's generator": altered(lambda tensors, _: tensors.pop("random/torch/0")),
    "short generator": altered(
        lambda tensors, _: tensors.update({"random/torch/0": torch.zeros(9, dtype=torch.uint8)})
    ),
    "generator of another kind": altered(lambda tensors, _: tensors.update({"random/torch/0": torch.zeros(5056)})),
    "lacks NumPy's generator": altered(lambda tensors, _: tensors.pop("random/numpy")),
    "short NumPy generator": altered(lambda tensors, _: tensors.update({"random/numpy": torch.zeros(3)})),
    "short Python generator": altered(lambda tensors, _: tensors.update({"random/python": torch.zeros(3)})),
    "negative step": altered(lambda _, header: header.update(step=-1)),
    "step is text": altered(lambda _, header: header.update(step="many")),
    "impossible position in NumPy's generator": altered(
        lambda _, header: header["random"].update(numpy=["MT19937", 10**9, 0, 0.0])
    ),
    "lacks its step": altered(lambda _, header: header.pop("step")),
    "lacks counters": altered(lambda _, header: header.pop("random")),
    "NaN score": lambda path: save_file(load_file(path), path, metadata={"kqv": '{"scores": {"loss": NaN}}'}),
    "scores are a list": altered(lambda _, header: header.update(scores=[1])),
    "header is a list": lambda path: save_file(load_file(path), path, metadata={"kqv": "[1]"}),
    "no header": lambda path: save_file(load_file(path), path),
}
DAMAGED_CONFIGS = {
    "a list": lambda path: path.write_text("[1, 2]"),
    "null": lambda path: path.write_text("null"),
    "deeply nested": lambda path: path.write_text("[" * 100_000),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00\x01"),
    "newer format": json_with(format=3),
    "no format": json_with(format=None),
    "format is text": json_with(format="1"),
    "no recipe": json_with(recipe=None),
    "unknown field": json_with(recipe__model__more=1),
    "negative batch": json_with(recipe__training__batch=-1),
    "batch is text": json_with(recipe__training__batch="many"),
    "huge layer": json_with(recipe__model__hidden=["x"]),
    "unknown optimizer": json_with(recipe__training__optimizer="magic"),
    "no threads": json_with(threads=0),
    "data is a list": json_with(data=[]),
}
DAMAGED_CLASSES = {
    "a list": lambda path: path.write_text("[1, 2]"),
    "classes is a number": json_with(classes=5),
    "class is a number": json_with(classes=[1, 2, 3]),
    "rows are text": json_with(rows="many"),
    "no rows": json_with(rows=0),
    "more columns": json_with(columns=9),
    "fewer classes": json_with(classes=["0", "1"]),
}


def cases(name: str, own: dict[str, Callable[[Path], Any]]) -> list[Any]:
    general = {damage.__name__: damage for damage in ANY_FILE}
    return [pytest.param(name, damage, id=f"{name}: {what}") for what, damage in (general | own).items()]


def one_line(failure: Exception) -> str:
    text = str(failure)
    assert "\n" not in text
    assert len(text) < 500
    return text


@pytest.mark.parametrize(
    ("name", "damage"), cases(MODEL, DAMAGED_MODELS) + cases(CONFIG, DAMAGED_CONFIGS) + cases(CLASSES, DAMAGED_CLASSES)
)
def test_a_damaged_run_is_not_loaded(name: str, damage: Callable[[Path], Any], workshop: Any) -> None:
    run = workshop.finished("one")
    damage(run.path / name)
    with pytest.raises(RunError) as failure:
        load_network(Run.find(run.path))
    text = one_line(failure.value)
    assert str(run.path) in text
    assert any(word in text for word in ("missing", "damaged", "another", "cannot be read", "shape", "holds", "newer"))


@pytest.mark.parametrize(("name", "damage"), cases(CHECKPOINT, DAMAGED_CHECKPOINTS) + cases(CONFIG, DAMAGED_CONFIGS))
def test_a_damaged_run_does_not_resume_and_nothing_of_it_changes(
    name: str, damage: Callable[[Path], Any], workshop: Any
) -> None:
    run = workshop.finished("one")
    damage(run.path / name)
    before = {path: path.read_bytes() for path in run.path.glob("*") if path.is_file()}
    with pytest.raises(RunError) as failure:
        workshop.resume(Run.find(run.path))
    assert str(run.path) in one_line(failure.value)
    assert {path: path.read_bytes() for path in run.path.glob("*") if path.is_file()} == before


def test_the_newer_format_says_so(workshop: Any) -> None:
    run = workshop.finished("one")
    json_with(format=3)(run.path / CONFIG)
    with pytest.raises(RunError, match="made by a newer kqv; this one reads 2: update kqv"):
        _ = run.recipe


@pytest.mark.parametrize("damage", [Path.unlink, truncated, empty, garbage], ids=lambda damage: damage.__name__)
def test_damaged_metrics_do_not_keep_a_run_from_resuming(damage: Callable[[Path], Any], workshop: Any) -> None:
    """They are a record; nothing is computed from them."""
    run, trainer = workshop.begin("one", checkpoint_seconds=0.0)
    trainer.train()
    damage(run.path / METRICS)
    workshop.resume(run, steps=30).train()
    assert run.metrics()[-1]["step"] == 30


def test_a_checkpoint_reads_as_it_was_written(workshop: Any) -> None:
    run = workshop.finished("one")
    first = Checkpoint.read(run.checkpoint_file)
    first.write(run.path / "copy", run.identity)
    assert (run.path / "copy").read_bytes() == run.checkpoint_file.read_bytes()
    assert Checkpoint.read_counters(run.checkpoint_file).step == first.counters.step == 23


@pytest.mark.parametrize("name", [MODEL, CHECKPOINT])
def test_a_file_of_another_run_is_named(name: str, workshop: Any) -> None:
    """Whole and of the same shapes: only what it says of itself tells them apart."""
    run, recipe = workshop.finished("one"), workshop.recipe
    plan = recipe.training.model_copy(update={"seed": recipe.training.seed + 1})
    other = workshop.finished("other", recipe.model_copy(update={"training": plan}))
    (run.path / name).write_bytes((other.path / name).read_bytes())
    with pytest.raises(RunError, match=rf"one/{name} does not belong to this run, but to another one or to none"):
        load_network(run) if name == MODEL else workshop.resume(run)


@pytest.mark.parametrize("name", [MODEL, CHECKPOINT])
def test_a_single_bit_of_a_number_is_named(name: str, workshop: Any) -> None:
    """The last bit of a weight: still a finite number, of the right kind and shape."""
    run = workshop.finished("one")
    content = bytearray((run.path / name).read_bytes())
    content[8 + int.from_bytes(content[:8], "little")] ^= 1
    (run.path / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"one/{name} is damaged: what it holds is not what was written"):
        load_network(run) if name == MODEL else workshop.resume(run)


def test_a_run_of_before_there_were_checksums_loads_and_resumes(workshop: Any) -> None:
    run, _ = workshop.begin("one")
    for path in (run.model_file, run.checkpoint_file):
        tensors, header = read_tensors(path)
        save_file(tensors, path, metadata={"kqv": json.dumps(header)} if header else {"format": "pt"})
    json_with(format=1)(run.path / CONFIG)
    content = json.loads((run.path / CONFIG).read_text())
    del content["identity"]
    (run.path / CONFIG).write_text(json.dumps(content))
    assert isinstance(load_network(run), torch.nn.Module)
    workshop.resume(run).train()
    mine, theirs = (read_tensors(each.model_file)[0] for each in (run, workshop.finished("two")))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


KINDS = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
]  # fmt: skip


def test_tensors_of_every_kind_and_shape_read_as_they_were_written(tmp_path: Path) -> None:
    """By us, and by safetensors' own reader."""
    shapes: list[tuple[int, ...]] = [(), (0,), (3,), (2, 0), (2, 3, 5)]
    tensors = {
        f"{kind} {shape}": (torch.rand(shape) * 100).to(kind) for kind in KINDS for shape in shapes
    } | {"turned": torch.rand(4, 3).T, "part": torch.rand(6, 6)[1:3, ::2], "ä": torch.rand(2)}  # fmt: skip
    write_tensors(tmp_path / "ours", tensors, {"größe": [1, 2.5, None]})
    found, header = read_tensors(tmp_path / "ours")
    assert header == {"größe": [1, 2.5, None]}
    for read in (found, load_file(tmp_path / "ours")):
        assert read.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert (read[name].dtype, read[name].shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(read[name], tensor), name


def test_the_digest_tells_names_kinds_shapes_numbers_and_headers_apart(tmp_path: Path) -> None:
    numbers = torch.arange(6.0)
    different = [
        ({"a": numbers}, {}), ({"b": numbers}, {}), ({"a": numbers.reshape(2, 3)}, {}), ({"a": numbers + 1}, {}),
        ({"a": numbers.view(torch.int32)}, {}), ({"a": numbers}, {"step": 1}), ({"a": numbers}, None),
        ({"a": numbers[:3], "b": numbers[3:]}, {}),
    ]  # fmt: skip
    assert len({digest(tensors, header) for tensors, header in different}) == len(different)
    assert digest({"a": numbers, "b": numbers + 1}) == digest({"b": numbers + 1, "a": numbers})
