"""Write docs/findings.md: questions of docs/findings/questions.toml, each with its command, figure and answer.

    python docs/findings.py NAME …     # ask these questions, and write the page
    python docs/findings.py --all      # ask all of them, an hour or two of one core
    python docs/findings.py            # write the page from the answers that are there

An answer is kept in docs/findings/NAME.json with its figure NAME.png; runs go into runs/findings, where a question that
was stopped goes on.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.experiments.measures import Measure
from kqv.experiments.statistics import Interval

DOCS = Path(__file__).parent
FOLDER = DOCS / "findings"
PAGE = DOCS / "findings.md"
RUNS = Path("runs") / "findings"

OPENING = """# Findings

What if? Each question here is asked by one command, which trains every variant with the same seeds, and answered by
what was measured. A difference is that between pairs of equal seeds, with its 95 % interval; the first variant is the
one that the others are compared to. What it does not show is said too.

This page is written by `python docs/findings.py`. How the parts are defined: the tables in
[kqv/models](../kqv/models/scores.py), and [extending.md](extending.md) for parts of your own.
"""


@dataclass(frozen=True)
class Finding:
    """A question with what is said of it; with `attention`, maps of all variants on the same text stand beside it."""

    name: str
    title: str
    command: str
    about: str
    limits: str
    attention: bool = False

    @property
    def answer_file(self) -> Path:
        """Where its answer is kept."""
        return FOLDER / f"{self.name}.json"

    @property
    def picture(self) -> Path:
        """Its figure."""
        return FOLDER / f"{self.name}.png"

    @property
    def maps(self) -> Path:
        """Its attention maps."""
        return FOLDER / f"{self.name}-attention.png"


def parts() -> dict[str, list[Finding]]:
    """The questions, by the titles of the parts that they stand in."""
    content = tomllib.loads((FOLDER / "questions.toml").read_text(encoding="utf-8"))
    return {
        part.pop("title"): [Finding(name, **said) for name, said in part.items()]
        for part in (dict(one) for one in content.values())
    }


def ask(finding: Finding) -> None:
    """Run the command, and keep its answer and figure."""
    words = [*shlex.split(finding.command)[1:], "--out", str(RUNS / finding.name), "--json"]
    done = subprocess.run([sys.executable, "-m", "kqv", *words], stdout=subprocess.PIPE, check=False)
    if done.returncode:  # it has said why
        raise SystemExit(done.returncode)
    answer = json.loads(done.stdout)
    kept = {key: answer[key] for key in ("score", "seeds", "steps", "baseline")}
    kept["variants"] = [{key: one[key] for key in KEPT if key in one} for one in answer["variants"]]
    kept["machine"] = machine()
    finding.answer_file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn = {Path(path).name: path for path in answer["figures"]}
    shutil.copy(drawn["curves.png"], finding.picture)
    if finding.attention:
        shutil.copy(drawn["attention.png"], finding.maps)


KEPT = (
    "variant", "mean", "spread", "scores", "parameters", "notes", "sample", "diverged", "sentence",
    "difference", "differences", "unpaired_difference",
)  # fmt: skip


def machine() -> str:
    """The processor, and how many cores may be used."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name or platform.processor() or platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}"


def section(finding: Finding) -> str:
    """A question as the page has it."""
    answer = json.loads(finding.answer_file.read_text(encoding="utf-8"))
    measure, variants = Measure(answer["score"]), answer["variants"]
    lines = [f"### {finding.title}", "", finding.about.strip(), "", "```", finding.command, "```", ""]
    lines += [f"![{finding.title} Learning curves](findings/{finding.picture.name})", ""]
    lines += [
        f"| | {measure.title} | spread | difference | parameters |",
        "| --- | --: | --: | --: | --: |",
    ]
    lines += [row(measure, one) for one in variants]
    lines += ["", " ".join(one["sentence"] for one in variants if "sentence" in one), ""]
    notes = {note: one["variant"] for one in variants for note in one["notes"]}
    lines += [f"{label}: {note}" for note, label in notes.items()] + ([""] if notes else [])
    samples = [(one["variant"], shortened(one["sample"])) for one in variants if one["sample"].strip()]
    if samples:
        lines += ["What the models of the first seed write:", "", "```"]
        lines += [f"{label}: {sample}" for label, sample in samples] + ["```", ""]
    if finding.attention:
        lines += [f"![{finding.title} Attention of each on the same text](findings/{finding.maps.name})", ""]
    lines += [f"*What it does not show.* {finding.limits}", ""]
    long = "as long as the recipe says" if answer["steps"] is None else f"{answer['steps']:,} steps each"
    lines += [f"{answer['seeds']} seeds, {long}; {answer['machine']}.", ""]
    return "\n".join(lines)


def row(measure: Measure, one: dict[str, Any]) -> str:
    """A variant in the table."""
    found = one.get("difference")
    interval = None if found is None else Interval(found["mean"], (found["high"] - found["low"]) / 2)
    cells = (
        one["variant"], measure.text(one["mean"]), measure.text(one["spread"]),
        "" if interval is None else measure.difference(interval), f"{one['parameters']:,}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def shortened(sample: str, most: int = 100) -> str:
    """A sample in one line."""
    line = " ⏎ ".join(part.strip() for part in sample.strip().splitlines() if part.strip())
    return line if len(line) <= most else f"{line[:most].rstrip()} …"


def page() -> str:
    """The whole page, of the questions that have an answer."""
    lines = [OPENING]
    for title, findings in parts().items():
        answered = [finding for finding in findings if finding.answer_file.exists()]
        if answered:
            lines += [f"## {title}\n", *map(section, answered)]
    return "\n".join(lines)


def main() -> None:
    """Ask what is asked for, and write the page."""
    known = {finding.name: finding for findings in parts().values() for finding in findings}
    names = list(known) if "--all" in sys.argv[1:] else sys.argv[1:]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no question is called {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        ask(known[name])
        PAGE.write_text(page(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
