"""The house: imports run one way, and `import kqv` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kqv"

# A part may import from itself and from the parts named here. Lower parts never import higher ones.
BASE = {"errors", "dimensions"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "dimensions": {"errors"},
    "tensors": {"errors", "files"},
    "threads": set(),
    "memory": set(),
    "arithmetic": set(),
    "trace": BASE | {"arithmetic", "files"},
    "operations": BASE | {"arithmetic", "trace"},
    "data": {"errors", "files"},
    "models": BASE | {"tensors", "threads", "trace", "operations"},
    "generation": BASE | {"trace", "operations", "models", "data"},
    "evaluation": BASE | {"trace", "operations", "models"},
    "plots": {"errors", "files", "evaluation", "models"},
    "training": BASE
    | {
        "arithmetic",
        "files",
        "tensors",
        "threads",
        "memory",
        "trace",
        "operations",
        "models",
        "evaluation",
        "data",
        "generation",
    },
    "experiments": {"errors", "training"},
    "interchange": BASE
    | {
        "arithmetic",
        "files",
        "tensors",
        "threads",
        "trace",
        "operations",
        "models",
        "evaluation",
        "data",
        "generation",
        "training",
    },
    "loading": {"errors", "models", "training", "interchange"},
    "workshop": BASE | {"arithmetic", "files", "operations", "models", "training", "evaluation", "data"},
    "cli": BASE
    | {
        "files",
        "tensors",
        "trace",
        "operations",
        "models",
        "generation",
        "plots",
        "evaluation",
        "training",
        "data",
        "workshop",
        "experiments",
        "interchange",
    },
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
