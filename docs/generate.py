"""Write what the documentation shows by running it: command outputs, the formula page, the command reference.

    python docs/generate.py           rewrite everything that is generated
    python docs/generate.py --check   say what is out of date instead; exit status 1 if anything is

In a guide, a block is generated where a comment names the command; everything up to the closing fence is replaced:

    <!-- $ kqv evaluate runs/guide -->
    ```
    ...
    ```

Commands run in one temporary folder, in the order in which they stand, so that what one makes the next can use.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
GUIDE = DOCS / "guide"
REFERENCE = DOCS / "reference"
_BLOCK = re.compile(r"<!-- \$ (?P<command>[^\n]+?) -->\n```[a-z]*\n(?P<output>.*?)```", re.DOTALL)
_LASTING = [
    re.compile(pattern)
    for pattern in (
        r"\$ .*",  # the command
        r"(grad:|update:)?[\w.]+(\[[^]]*\])? =",  # a cell
        r"  formula .*",
        r"  [\w.]+ \[[^]]*\]",  # a row of the table of tensors
        r"  +(--\w+|[│╭╰]).*",  # a command's help
    )
]


def run(commands: list[str], folder: Path) -> list[str]:
    """What `kqv` commands print in turn, as a reader with a terminal of 100 columns sees it."""
    for command in commands:
        if shlex.split(command)[:1] != ["kqv"]:
            raise SystemExit(f"only kqv commands can be shown, not: {command}")
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    call = [sys.executable, str(DOCS / "printed.py")]
    done = subprocess.run(
        call, cwd=folder, env=environment, input=json.dumps(commands), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(json.loads(done.stdout))


def guide_page(text: str, folder: Path) -> str:
    """A guide's text with every block's output made anew."""
    commands = [block["command"] for block in _BLOCK.finditer(text)]
    outputs = iter(zip(commands, run(commands, folder), strict=True))

    def fresh(block: re.Match[str]) -> str:
        command, output = next(outputs)
        return f"<!-- $ {command} -->\n```\n$ {command}\n{output}```"

    return _BLOCK.sub(fresh, text)


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
        options = ", ".join(f"`{name}` ({default!r})" for name, default in operation.options.items())
        lines += [
            "",
            f"Runs: {kernel}." + (f" Options: {options}." if options else ""),
            f"Source: {operation.source}",
            "",
        ]
    return "\n".join(lines)


def commands_page() -> str:
    """The command reference: the help of every command."""
    commands = [f"kqv {words}".rstrip() for words in ("", *_commands())]
    with tempfile.TemporaryDirectory() as folder:
        helps = run([f"{command} --help" for command in commands], Path(folder))
    lines = ["# The commands", "", "Generated from `kqv --help` by `python docs/generate.py`.", ""]
    for command, text in zip(commands, helps, strict=True):
        lines += [f"## {command}", "", "```", text.strip("\n"), "```", ""]
    return "\n".join(lines)


def _commands() -> list[str]:
    from kqv.cli.main import app

    names = [command.name or "" for command in app.registered_commands]
    for group in app.registered_groups:
        inner = group.typer_instance.registered_commands if group.typer_instance else []
        names += [f"{group.name} {command.name}" for command in inner]
    return names


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    pages = {REFERENCE / "operations.md": operations_page(), REFERENCE / "commands.md": commands_page()}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(GUIDE.glob("*.md")):
            pages[path] = guide_page(path.read_text(encoding="utf-8"), Path(folder))
    return pages


def skeleton(text: str) -> list[str]:
    """A page without what differs between machines: all prose, and of the outputs commands, names, shapes, formulas."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
        else:
            kept += [found[0] for pattern in _LASTING if (found := pattern.match(line))]
    return kept


def main() -> int:
    """Rewrite the pages, or with `--check` compare them up to their numbers."""
    stale = []
    for path, content in generated().items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if "--check" in sys.argv[1:]:
            if skeleton(before) != skeleton(content):
                stale.append(path)
        elif before != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(DOCS)}\n")
    for path in stale:
        sys.stderr.write(f"{path.relative_to(DOCS)} is out of date; run: python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
