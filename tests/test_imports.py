"""The house: imports run one way, and `import kqv` stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kqv"

# A part may import from itself and from the parts named here. Lower parts never import higher ones.
GROUND = {
    "errors", "files", "memory", "threads", "tensors", "sharded", "dimensions", "arithmetic", "recording", "visible",
    "viewed", "fitting",
}  # fmt: skip
MATHEMATICS = GROUND | {"operations", "models"}
USE = MATHEMATICS | {"trace", "why", "data", "generation", "evaluation", "interchange"}
TRAINED = USE | {"training", "systems"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "dimensions": {"errors"},
    "tensors": {"errors", "files", "sharded"},
    "sharded": set(),
    "fitting": {"errors", "tensors"},
    "threads": set(),
    "memory": set(),
    "visible": set(),
    "viewed": {"errors"},
    "arithmetic": set(),
    "http": {"errors", "files"},
    "recording": {"errors"},
    "operations": GROUND,
    "models": GROUND | {"operations"},
    "trace": MATHEMATICS,
    "why": MATHEMATICS | {"trace"},
    "data": {"errors", "files"},
    "generation": MATHEMATICS | {"trace", "data"},
    "evaluation": MATHEMATICS | {"trace", "data"},
    "interchange": MATHEMATICS | {"data"},
    "training": USE,
    "systems": USE | {"training"},
    "experiments": TRAINED | {"plots"},
    "workshop": TRAINED,
    "planning": TRAINED,
    "plots": USE,
    "lab": TRAINED | {"experiments", "workshop", "plots", "http"},
    "notebook": TRAINED | {"experiments", "lab"},
    "server": TRAINED | {"http"},  # beside the lab: neither knows the other
    "agent": TRAINED | {"experiments", "plots"},
    "cli": TRAINED | {"experiments", "workshop", "plots", "planning", "http", "lab", "server", "agent"},
    "__main__": {"cli"},
}


def part_of(module: str) -> str:
    """`kqv.trace.recorder` belongs to `trace`."""
    return module.split(".")[1]


def imports_of(path: Path) -> set[str]:
    """Every `kqv` module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {
                f"{node.module}.{alias.name}" if node.module == "kqv" else node.module or "" for alias in node.names
            }
    return {name for name in found if name.startswith("kqv.")} - {"kqv.__version__"}


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert part in ALLOWED, f"{part} has no place in the house yet: say here what it may import"
    for module in imports_of(path):
        assert part_of(module) in ALLOWED[part] | {part}, f"{path.name} in {part} imports {module}"


@pytest.mark.parametrize("heavy", ["torch", "numpy", "sklearn", "rich", "typer"])
def test_import_kqv_stays_light(heavy: str) -> None:
    code = f"import sys, kqv; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_imports_torch_only_where_it_is_used() -> None:
    code = "import sys, kqv.cli.main; sys.exit(bool({'torch', 'numpy', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


RENDERING = {"kqv.trace.trace", "kqv.trace.explanation", "kqv.trace.ancestry"}
"""Facades that render a trace: for `__str__`, notebooks and files they import the views, which know them."""


def module_of(path: Path) -> str:
    """`kqv/trace/cells.py` is `kqv.trace.cells`, `kqv/trace/__init__.py` is `kqv.trace`."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph() -> dict[str, set[str]]:
    """What each module imports, also inside functions and for types; without the views that facades render with."""
    modules = {module_of(path): path for path in FILES}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        wanted = set()
        for imported in imports_of(path):
            while imported not in modules and "." in imported:  # a name of a module is that module
                imported = imported.rpartition(".")[0]
            wanted.add(imported)
        views = {one for one in wanted if one.startswith("kqv.trace.views") and name in RENDERING}
        found[name] = (wanted & modules.keys()) - views - {name}
    return found


def circle_of(found: dict[str, set[str]]) -> list[str]:
    """One circle of imports as a path of modules; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for imported in sorted(found[name]):
            circle = walk(imported, [*way, name])
            if circle:
                return circle
        done.add(name)
        return []

    return next((circle for name in sorted(found) if (circle := walk(name, []))), [])


def test_no_circle_of_imports() -> None:
    assert circle_of({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle_of(graph()) == []


def test_only_the_table_knows_the_systems_names() -> None:
    """No `if system == "gpt"`: what is special about a system stands in its room."""
    pattern = re.compile(r"""[=!]= ?["'](digits|gpt)["']|["'](digits|gpt)["'] ?[=!]=""")
    rooms = PACKAGE / "systems"
    found = [
        f"{path}:{number}"
        for path in FILES
        if rooms not in path.parents
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
