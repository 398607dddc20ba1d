"""What commands print fits the terminal: nothing is cut, prose breaks between words, and commands stay whole."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from kqv.cli.console import Screen, counted, fitted

COLUMNS = 80
WIDE = 400  # here nothing has to be wrapped

SCRIPT = """
import sys
from kqv.cli.main import main
for line in sys.stdin.read().splitlines():
    try:
        main(line.split())
    except SystemExit as ended:
        print("== status", ended.code, flush=True)
"""

TYPED = """\
tour digits
train digits --steps 40
train gpt --recipe nanogpt-cpu --data text.txt --steps 2
runs
data list
data verify
evaluate runs/tour-1
classify runs/tour-1 one.png --steps
trace runs/tour-1
trace runs/nanogpt-cpu-text.txt-1
trace runs/tour-1 --cell grad:layers.0.weight[7,30]
generate runs/nanogpt-cpu-text.txt-1 --prompt The --tokens 3 --probabilities
export runs/nanogpt-cpu-text.txt-1 --to hugging-face folder
rebuild
rebuild begin backprop
rebuild check backprop
rebuild hint backprop
rebuild solution backprop
runs --help
train gpt --help
generate --help
trace --help
rebuild --help
"""


def on_a_terminal(folder: Path, columns: int) -> list[str]:
    """The lines of all of these commands on a terminal of so many columns."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    from PIL import Image

    folder.mkdir()
    (folder / "text.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 60, encoding="utf-8")
    picture = Image.new("L", (30, 40), 255)
    picture.paste(0, (14, 8, 18, 32))
    picture.save(folder / "one.png")
    main, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # no variable of the surroundings may say how wide it is
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=child, stderr=child, cwd=folder,
        env={**kept, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", "PYTHONPATH": root, "KQV_DATA": str(folder)},
    )  # fmt: skip
    os.close(child)
    assert process.stdin is not None
    process.stdin.write(TYPED.encode())
    process.stdin.close()
    printed = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        printed += part
    os.close(main)
    process.wait()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode())
    return [line.rstrip("\r").split("\r")[-1] for line in plain.split("\n")]  # after \r a bar is drawn again


def commands(lines: list[str]) -> set[str]:
    """What one is told to type, up to two spaces or the line's end; not what helps and notices say of commands."""
    found = (re.search(r"(?:^ *|: |  )(kqv(?: \S+)+)(?:$|  )", line) for line in lines if "│" not in line)
    return {match[1] for match in found if match is not None}


def test_all_fits_and_commands_are_whole(tmp_path: Path) -> None:
    narrow, wide = (on_a_terminal(tmp_path / str(columns), columns) for columns in (COLUMNS, WIDE))
    for lines in (narrow, wide):
        ended = [line.split()[2] for line in lines if line.startswith("== status")]
        assert ended == ["1" if typed.startswith("rebuild check") else "0" for typed in TYPED.splitlines()]
    to_type = commands(wide)
    assert len(to_type) > 12, to_type
    assert to_type - commands(narrow) == set(), "broken over lines"
    own = to_type | {str(tmp_path / str(COLUMNS)), ".from_pretrained("}  # paths, and code to copy
    too_long = [line for line in narrow if cell_len(line) > COLUMNS and not any(word in line for word in own)]
    assert too_long == []


def screen(columns: int | None) -> tuple[Screen, io.StringIO]:
    stream = io.StringIO()
    return Screen(file=stream, width=columns), stream


def test_prose_is_wrapped_at_words_under_its_own_indent() -> None:
    console, stream = screen(30)
    console.print("  one two three [bold]four five six[/] seven eight nine ten")
    lines = stream.getvalue().splitlines()
    assert " ".join(stream.getvalue().split()) == "one two three four five six seven eight nine ten"
    assert len(lines) == 2
    assert all(line.startswith("  ") and len(line) <= 30 for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "to look inside it: kqv trace runs/digits-1 --cell 'layers.0.z[0, 7]' --html page.html",
        "write it in place of `raise NotImplementedError('of this function')`, and try",
        "(see kqv data list --json; it has the paths)",
    ],
)
@pytest.mark.parametrize("columns", [20, 40, 60])
def test_commands_and_code_are_never_broken(text: str, columns: int) -> None:
    whole = re.search(r"kqv [^;]+?(?=;|$)|`.+`", text)
    assert whole is not None
    lines = fitted(Text(text), columns).plain.split("\n")
    assert any(whole[0] in line for line in lines)
    assert " ".join(lines) == text


def test_a_pipe_has_80_columns_whatever_terminal_stands_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen(None)[0].width == 80


def test_a_tables_paths_are_never_cut() -> None:
    console, stream = screen(40)
    table = Table(box=None)
    table.add_column("path", no_wrap=True)
    table.add_column("what")
    path = "runs/" + 50 * "x"
    table.add_row(path, "several words that may be wrapped")
    assert not console.fits(table)
    console.print(table)
    assert path in stream.getvalue()
    assert "several" in stream.getvalue()


def test_one_step_is_one() -> None:
    assert [counted(number, "step") for number in (0, 1, 2000)] == ["0 steps", "1 step", "2,000 steps"]
