"""Write what the documentation shows by running it: command outputs, the formula page, the command reference.

    python docs/generate.py           rewrite everything that is generated
    python docs/generate.py --reference   rewrite the two pages of docs/reference alone, in a few seconds
    python docs/generate.py 6-the-transformer   rewrite one page of the guide (or several, or README) alone
    python docs/generate.py --check   say what is out of date instead; exit status 1 if anything is

In a guide, a block is generated where a comment names the command; everything up to the closing fence is replaced:

    <!-- $ kqv evaluate runs/guide -->
    ```
    ...
    ```

`| last 5` in the comment shows the last five lines alone, `| section blocks.0` the paragraph under that heading,
`| brief` cells without the list of their sources and the check; `| fails` is for what is meant
to end with an error. The same comment can stand for four other things:

    <!-- python -->                   Python code; what it prints comes in a block of its own below
    <!-- body of rebuild/NAME.py -->  the body that a learner writes into the form of an exercise
    <!-- file rebuild/NAME.py -->     the file as it stands then
    <!-- code of kqv.NAME -->         the lines of a function or class of kqv

`<!-- needs smollm2 minilm -->` says which data a page needs (`kqv data list`); without it the page stays as it is.

The guide runs in one temporary folder, in the order in which it stands, so that what one makes the next can use.
The README, which has such blocks too, runs in another.
Figures (PNG) that commands write there are kept in guide/pictures. The diagrams beside them are drawn by drawings.py,
the pictures of a real model and of a page by screenshots.py.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
GUIDE = DOCS / "guide"
REFERENCE = DOCS / "reference"
README = DOCS.parent / "README.md"
PICTURES = GUIDE / "pictures"
_BLOCK = re.compile(
    r"<!-- (?P<what>\$ [^\n]+?|python|(?:body of|file|code of) [^\n]+?)"
    r"(?: \| (?:(?P<fails>fails)|(?P<brief>brief)|last (?P<last>\d+)|section (?P<section>[^\n]+?)))? -->\n"
    r"```[a-z]*\n(?P<content>.*?)```(?:\n```\n(?P<printed>.*?)```)?",
    re.DOTALL,
)
_LASTING = [
    re.compile(pattern)
    for pattern in (
        r"\$ .*",  # the command
        r"(grad:|update:)?[\w.]+(\[[^]]*\])? =",  # a cell
        r"  formula .*",
        r" *[\w.]+ +\[[^]]*\]",  # a row of a table of tensors
        r"  +(--\w+|[│╭╰]).*",  # a command's help
        r"(Epoch \d+|kqv\.errors\.\w+): ?",  # the book's monitoring, an error in Python
        r"[✓✗○●] +\S.*?(?=  |$)",  # an exercise, or what a check says of a function
        r"  It looks like this: .*",
        r"(Hint|Next|Stuck\?|Now the real training).*",
    )
]
_NEEDS = re.compile(r"<!-- needs ([^\n]+?) -->")
_FEW_STEPS = 40
_VOCAB = re.compile(r"vocab=\d+")  # the embedded text differs with Python's version, and so do its tokens


def run(steps: list[dict[str, Any]], folder: Path) -> list[str]:
    """What the steps of a guide give in turn, as a reader with a terminal of 100 columns sees it."""
    for step in steps:
        if step["kind"] == "command" and shlex.split(step["text"])[:1] != ["kqv"]:
            raise SystemExit(f"only kqv commands can be shown, not: {step['text']}")
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    call = [sys.executable, str(DOCS / "printed.py")]
    done = subprocess.run(
        call, cwd=folder, env=environment, input=json.dumps(steps), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(json.loads(done.stdout))


def command(text: str) -> dict[str, Any]:
    """The step that types a kqv command."""
    return {"kind": "command", "text": text, "fails": False}


def hurried(step: dict[str, Any]) -> dict[str, Any]:
    """The same step; where it trains a GPT so many steps, a few of them: how many they were is in no `skeleton`.

    Not a translator: one that has learned little writes on and on, and takes as long.
    """
    return {**step, "text": re.sub(r"^(kqv train gpt .*--steps) \d+", rf"\1 {_FEW_STEPS}", step["text"])}


def step_of(block: re.Match[str]) -> dict[str, Any]:
    """What a guide's block asks for."""
    what, content, fails = block["what"], block["content"], block["fails"] is not None
    if what.startswith("$ "):
        return {"kind": "command", "text": what[2:], "fails": fails}
    if what == "python":
        return {"kind": "python", "text": content, "fails": fails}
    kind, _, path = what.replace(" of ", " ").partition(" ")
    return {"kind": kind, "text": content, "path": path}


def shown(block: re.Match[str], output: str) -> str:
    """A guide's block with what its step gave now."""
    head, what = block[0].partition("\n")[0], block["what"]
    if block["last"] is not None:
        output = "".join(["…\n", *output.splitlines(keepends=True)[-int(block["last"]) :]])
    if block["brief"] is not None:
        output = brief(output)
    if block["section"] is not None:
        output = f"…\n\n{section(output, block['section'])}\n\n…\n"
    if what.startswith("$ "):
        return f"{head}\n```\n{what}\n{output}```"
    if what == "python":
        return f"{head}\n```python\n{block['content']}```" + (f"\n```\n{output}```" if output else "")
    return f"{head}\n```python\n{output}```"


def brief(output: str) -> str:
    """The cells of an output, with one `…` in place of where each one's numbers come from and how they were checked."""
    kept: list[str] = []
    left_out = -1  # how far in what is left out begins; −1: nothing is
    for line in output.splitlines():
        deep = len(line) - len(line.lstrip())
        if re.match(r" +(from|chosen by|check) ", line):
            left_out = deep
            if kept[-1] != f"{' ' * deep}…":
                kept.append(f"{' ' * deep}…")
        elif left_out < 0 or deep <= left_out:
            left_out = -1
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def section(output: str, heading: str) -> str:
    """The paragraph under a heading: it goes up to the next empty line."""
    found = [part for part in output.strip("\n").split("\n\n") if part.partition("\n")[0] == heading]
    if len(found) != 1:
        raise SystemExit(f"expected one section {heading!r} in the output, found {len(found)}")
    return found[0]


def guide_page(text: str, folder: Path, hurry: bool = False) -> str:
    """A guide's text with every block's output made anew; in a hurry as `hurried` says, to compare its skeleton."""
    steps = [step_of(block) for block in _BLOCK.finditer(text)]
    outputs = iter(run([hurried(step) for step in steps] if hurry else steps, folder))
    return _BLOCK.sub(lambda block: shown(block, next(outputs)), text)


def missing(text: str) -> list[str]:
    """The data that a page needs and that is not here."""
    from kqv.data.sources import find, lookup

    names = [name for needed in _NEEDS.findall(text) for name in needed.split()]
    return [name for name in names if any(find(lookup(name), file) is None for file in lookup(name).files)]


def operations_page() -> str:
    """The formula page: every operation with its formula, gradients, dimensions and source, from their one table."""
    from kqv.operations import OPERATIONS

    lines = [
        "# The operations",
        "",
        "Generated from `kqv.operations.OPERATIONS` by `python docs/generate.py`. `C` is the cost at the end.",
        "",
    ]
    for operation in OPERATIONS.values():
        lines += [f"## {operation.name}", "", f"    {operation.formula}", ""]
        lines += [f"    {gradient}" for gradient in operation.gradients.values()]
        lines += ["", "| tensor | dimensions |", "| --- | --- |"]
        lines += [f"| {name} | `[{axes.replace(' ', ', ')}]` |" for name, axes in operation.dimensions.items()]
        kernel = "the definition, or PyTorch's kernels where they are faster" if operation.kernel else "the definition"
        options = ", ".join(f"`{name}` ({_default(value)})" for name, value in operation.options.items())
        lines += [
            "",
            f"Runs: {kernel}." + (f" Options: {options}." if options else ""),
            f"Source: {operation.source}",
            "",
        ]
    return "\n".join(lines)


def _default(value: Any) -> str:
    return "required" if value is inspect.Parameter.empty else repr(value)


def commands_page() -> str:
    """The command reference: the help of every command."""
    commands = [f"kqv {words}".rstrip() for words in ("", *_commands())]
    with tempfile.TemporaryDirectory() as folder:
        helps = run([command(f"{words} --help") for words in commands], Path(folder))
    lines = ["# The commands", "", "Generated from `kqv --help` by `python docs/generate.py`.", ""]
    for words, text in zip(commands, helps, strict=True):
        lines += [f"## {words}", "", "```", text.strip("\n"), "```", ""]
    return "\n".join(lines)


def _commands() -> list[str]:
    from kqv.cli.main import app

    names = [command.name or "" for command in app.registered_commands]
    for group in app.registered_groups:
        inner = group.typer_instance.registered_commands if group.typer_instance else []
        names += [f"{group.name} {command.name}" for command in inner]
    return names


def reference() -> dict[Path, str]:
    """The formula page and the command reference."""
    return {REFERENCE / "operations.md": operations_page(), REFERENCE / "commands.md": commands_page()}


def chosen(names: list[str]) -> list[Path]:
    """The pages with these names, in their order: all for none. Ends the program for a name that there is not."""
    pages = [README, *sorted(GUIDE.glob("*.md"))]
    if unknown := set(names) - {path.stem for path in pages}:
        raise SystemExit(
            f"no page is called {', '.join(sorted(unknown))}; there are {', '.join(p.stem for p in pages)}"
        )
    return [path for path in pages if not names or path.stem in names]


def generated(keep_pictures: bool = False, names: list[str] | None = None) -> dict[Path, str]:
    """Every generated page with its content, or those with these names; the guides' figures are kept on demand."""
    pages = {} if names else reference()
    with tempfile.TemporaryDirectory() as folder:
        for path in chosen(names or []):
            place = Path(folder) / ("readme" if path == README else "guide")  # its `latest` is its own
            place.mkdir(exist_ok=True)
            text = path.read_text(encoding="utf-8")
            if lacks := missing(text):
                sys.stderr.write(f"{path.name} is left as it is: kqv data fetch {' '.join(lacks)}\n")
            else:
                pages[path] = guide_page(text, place)
        if keep_pictures:
            PICTURES.mkdir(exist_ok=True)
            for figure in (Path(folder) / "guide").glob("*.png"):
                shutil.copy(figure, PICTURES)
    return pages


def skeleton(text: str) -> list[str]:
    """A page without what differs between machines: all prose, and of the outputs commands, names, shapes, formulas."""
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        if line.startswith("```"):
            fence = "" if fence else line
        elif fence != "```":  # prose and Python: no machine differs in these
            kept.append(line)
        else:
            kept += [_VOCAB.sub("vocab", found[0]) for pattern in _LASTING if (found := pattern.match(line))]
    return kept


def main() -> int:
    """Rewrite the pages, or with `--check` compare them up to their numbers."""
    stale, checking = [], "--check" in sys.argv[1:]
    names = [word.removesuffix(".md") for word in sys.argv[1:] if not word.startswith("--")]
    pages = reference() if "--reference" in sys.argv[1:] else generated(keep_pictures=not checking, names=names)
    for path, content in pages.items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if checking:
            if skeleton(before) != skeleton(content):
                stale.append(path)
        elif before != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(DOCS.parent)}\n")
    for path in stale:
        sys.stderr.write(f"{path.relative_to(DOCS.parent)} is out of date; run: python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
