"""Words of the command line, names of files and folders, questions, lines of a run's measurements, programs."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from arena import Attack
from hostility import bytes_for, hostile, reading
from kinds import Draw, command, copied
from mutations import of_bytes, of_json

from kqv.visible import visible

QUESTION = {
    "system": "digits", "question": "q", "explanation": "e", "recipes": ["article"], "base": {"batch": 10},
    "vary": {"learning_rate": [0.1, 0.5], "model.sizes": [[10], [20]]}, "seeds": 1, "steps": 1, "score": "accuracy",
    "panels": [{"title": "t", "keys": ["loss"], "unit": "nats"}],
}  # fmt: skip


def _words(materials: Path, chance: Random) -> Attack:
    """Words of the command line with a hostile name, or a number that is none."""
    name, seed = chance.choice(hostile("names")), chance.random()
    words = chance.choice(hostile("words")).split()
    number = chance.choice(hostile("numbers"))
    words = [word.replace("NAME", name).replace("NUMBER", number) for word in words]
    if chance.random() < 0.2:
        words.insert(chance.randrange(1, len(words) + 1), chance.choice(("--", "--json", "--plot", name, "-")))
    there = chance.randrange(4)

    def prepare(folder: Path) -> None:
        copied(materials / "run-gpt", folder).rename(folder / "run")
        copied(materials / "text.txt", folder)
        try:  # what has that name, where it can have it
            if there == 1:
                (folder / name).write_bytes(Random(seed).randbytes(100))
            elif there == 2:
                (folder / name).mkdir()
            elif there == 3:
                copied(materials / "run-gpt", folder).rename(folder / name)
        except (OSError, ValueError):
            return

    return Attack("words", repr(words)[:300], prepare, command(*words), keeps=words[0] not in ("train", "export"))


def _pictures(materials: Path, chance: Random) -> Attack:
    """A folder of pictures whose classes and files have hostile names, or sizes that Pillow believes."""
    names, picture = (
        chance.sample([name for name in hostile("names") if len(name) < 100], 2),
        (materials / "picture.png").read_bytes(),
    )

    def prepare(folder: Path) -> None:
        for at, name in enumerate((*names, "a", "b")):
            for number in range(4):
                try:
                    path = folder / "all" / name / f"{number}{names[at % 2]}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(picture)
                except (OSError, ValueError):
                    continue

    def read() -> None:
        from kqv.data.folder import read_folder

        print([visible(name) for name in read_folder(Path("all"), (8, 8))[0]])

    return Attack("picture-folders", repr(names), prepare, reading(read))


def wide_question(chance: Random) -> str:
    """A question of very many variants."""
    fields = (
        "learning_rate",
        "batch",
        "seed",
        "momentum",
        "steps",
        "weight_decay",
        "cost",
        "activation",
        "initialisation",
        "dropout",
    )
    vary = {name: list(range(chance.choice((2, 50, 5000)))) for name in fields[: chance.choice((2, 6, 10))]}
    return json.dumps(QUESTION | {"vary": vary})


def _questions(materials: Path, chance: Random) -> Attack:
    kind = chance.random()
    if kind < 0.45:
        name, content = "question.json", bytes_for(of_json(json.dumps(QUESTION), chance)[0])
    elif kind < 0.5:
        name, content = "question.json", wide_question(chance).encode()
    else:
        name, value = "question.toml", chance.choice(hostile("toml_values"))
        content = bytes_for(chance.choice(hostile("toml")).replace("VALUE", value))
        content = content.replace(b"\n", chance.choice((b"\n", b"\n", b"\r\n", b"\r")))

    def read() -> None:
        from kqv.experiments.compare import ask
        from kqv.experiments.folder import folder_for
        from kqv.experiments.running import Comparison, Observer, _removed_when_refused
        from kqv.systems.system import Watcher, system_named
        from kqv.training.distributed import Group

        question, out = ask(name, {}, Path("out"))
        folder = folder_for(question, out)
        with _removed_when_refused(folder):
            folder.ask(question)
            Comparison(question, folder, system_named(question.system), Group(), Watcher(), Observer()).settle()

    return Attack(
        "questions", f"{content[:200]!r}", lambda folder: (folder / name).write_bytes(content) and None, reading(read)
    )


def _lines(materials: Path, chance: Random) -> Attack:
    """metrics.jsonl and samples.jsonl of a run, line by line."""
    system, file = (
        chance.choice(("gpt", "digits", "translate", "adder")),
        chance.choice(("metrics.jsonl", "metrics.jsonl", "samples.jsonl")),
    )
    lines = [chance.choice(hostile("lines")) for _ in range(chance.randrange(1, 6))]
    end, keep = chance.choice(("\n", "\r\n", "\r", "")), chance.random() < 0.5
    words = chance.choice(
        (
            ["runs", "."],
            ["runs", ".", "--json"],
            ["evaluate", "run", "--json"],
            ["train", system, "--resume", "run", "--steps", "3"],
        )
    )

    def prepare(folder: Path) -> None:
        path = copied(materials / f"run-{system}", folder).rename(folder / "run") / file
        before = path.read_text() if keep and path.exists() else ""
        path.write_bytes(bytes_for(before + end.join(lines) + end))

    def act() -> None:
        if words[0] == "runs":
            from kqv.training.run import Run

            run = Run(Path("run"))
            reading(lambda: (list(run.each_measurement()), run.metrics()))()
        command(*words)()

    return Attack(
        "lines", f"{system}, {file}: {' '.join(words)}: {lines!r}"[:400], prepare, act, keeps=words[0] != "train"
    )


def _learners(materials: Path, chance: Random) -> Attack:
    name = chance.choice(("softmax", "sigmoid", "feedforward", "cross_entropy"))
    source = chance.choice(hostile("programs")).replace("{f}", name).replace("{{", "{").replace("}}", "}")
    content = bytes_for(source)
    content = of_bytes(content, chance)[0] if chance.random() < 0.3 else content

    def act() -> None:
        from kqv.workshop import checking
        from kqv.workshop.process import Limits

        found = checking.check(name, Path("mine.py"), Limits(seconds=3))
        print(visible(repr(found))[:500])

    return Attack(
        "learners", repr(source)[:200], lambda folder: (folder / "mine.py").write_bytes(content) and None, reading(act)
    )


CRAFTED_WORDS: dict[str, Draw] = {
    "words": _words, "picture-folders": _pictures, "questions": _questions, "lines": _lines, "learners": _learners,
}  # fmt: skip
