"""A learner's file in a process of its own: what it cannot do, and what is said of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kqv.errors import Error
from kqv.workshop.catalogue import exercise
from kqv.workshop.checking import check
from kqv.workshop.findings import Finding, Report
from kqv.workshop.process import MIB, Limits, resident, resident_by_ps
from kqv.workshop.template import solution, template
from kqv.workshop.worker import LARGEST_FILE

LIMITS = Limits(seconds=30, memory=400 * MIB, output=MIB)
SHORT = Limits(seconds=1, memory=400 * MIB, output=MIB)


def checked(folder: Path, text: str, limits: Limits = LIMITS) -> Report:
    path = folder / "sigmoid.py"
    path.write_text(text, encoding="utf-8")
    return check("sigmoid", path, limits)


def of_body(folder: Path, body: str, limits: Limits = LIMITS) -> Finding:
    """What is said of a sigmoid with this body, in line 4 of its file."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    report = checked(folder, f"import os, sys\nimport numpy as np\ndef sigmoid(z):\n{lines}\n", limits)
    found = report.verdicts[0].finding
    assert found is not None
    return found


def test_the_reference_passes_and_the_form_does_not(tmp_path: Path) -> None:
    assert checked(tmp_path, solution(exercise("sigmoid"))).passed
    report = checked(tmp_path, template(exercise("sigmoid")))
    assert [verdict.finding.kind for verdict in report.verdicts if verdict.finding] == ["empty", "empty"]


def test_what_it_prints_is_kept_apart(tmp_path: Path) -> None:
    report = checked(tmp_path, "print('hello')\n" + solution(exercise("sigmoid")))
    assert report.passed
    assert report.printed == "hello"


def test_an_endless_loop_is_stopped_and_its_line_named(tmp_path: Path) -> None:
    begin = time.monotonic()
    found = of_body(tmp_path, "n = 0\nwhile True: n += 1", SHORT)
    assert time.monotonic() - begin < 60
    assert found.headline == "it was stopped after 1 s: is there a loop that never ends?"
    assert found.details == ("It was in line 5 of sigmoid.py: while True: n += 1",)


def test_the_named_line_is_that_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    of_body(tmp_path, "n = 0\nwhile True: n += 1", SHORT)
    found = of_body(tmp_path, "n = 0\nwhile True: n -= 1", SHORT)
    assert found.details == ("It was in line 5 of sigmoid.py: while True: n -= 1",)


def test_an_endless_loop_while_the_file_is_read(tmp_path: Path) -> None:
    report = checked(tmp_path, "while True:\n    pass\n", SHORT)
    assert report.finding is not None
    assert report.finding.headline == "when it was read, it was stopped after 1 s: is there a loop that never ends?"


@pytest.mark.skipif(resident(os.getpid()) is None, reason="this system does not tell a process' memory")
def test_too_much_memory_is_stopped(tmp_path: Path) -> None:
    found = of_body(tmp_path, "kept = []\nwhile True: kept.append(np.ones(300_000))")
    assert found.headline.startswith("it was stopped at 400 MiB of memory")
    assert "line 5 of sigmoid.py" in found.details[0]


def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.workshop.process._START", 0.0)
    report = checked(tmp_path, solution(exercise("sigmoid")))
    assert report.finding is not None
    assert "it did not start within 0 s" in report.finding.headline


def test_too_much_output_is_stopped_and_shortened(tmp_path: Path) -> None:
    report = checked(tmp_path, "def sigmoid(z):\n    while True: print('x' * 100)\n")
    found = report.verdicts[0].finding
    assert found is not None
    assert found.headline.startswith("it was stopped after printing 1 MiB")
    assert len(report.printed) < 5_000
    assert report.printed.endswith("more bytes")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os._exit(0)", "it ended the whole of Python (exit status 0) before an answer came back"),
        ("os._exit(3)", "it ended the whole of Python (exit status 3)"),
        ("sys.exit()", "it ended Python in line 4 of sigmoid.py (sys.exit())"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt in line 4 of sigmoid.py"),
    ],
)
def test_ends(tmp_path: Path, body: str, words: str) -> None:
    assert of_body(tmp_path, body).headline.startswith(words)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_crash_is_reported_with_its_line(tmp_path: Path) -> None:
    found = of_body(tmp_path, "import ctypes\nctypes.string_at(0)")
    assert found.headline.startswith("Python itself crashed (SIGSEGV)")
    assert found.details == ("It was in line 5 of sigmoid.py: ctypes.string_at(0)",)


@pytest.mark.skipif(os.name != "posix", reason="processes in groups")
def test_processes_that_it_started_end_with_it(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid)\n" + solution(exercise("sigmoid"))
    )
    report = checked(tmp_path, text)
    assert report.passed
    _wait_until(lambda: not _is_alive(int(report.printed.split()[0])))


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nump as np\n", "an import failed in line 1 of sigmoid.py (import nump as np): No module named 'nump'"),
        ("from softmax import softmax\n", "an import failed in line 1 of sigmoid.py (from softmax import softmax)"),
        ("def sigmoid(z)\n    return z\n", "Python cannot read it in line 1 of sigmoid.py (def sigmoid(z)): expected"),
        ("quit()\n", "it ended Python when it was read in line 1 of sigmoid.py (quit())"),
        ("1 / 0\n", "ZeroDivisionError when it was read in line 1 of sigmoid.py (1 / 0): division by zero"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    report = checked(tmp_path, text)
    assert report.finding is not None
    assert report.finding.headline.startswith(words)


def test_missing_functions(tmp_path: Path) -> None:
    report = checked(tmp_path, "sigmoid = 3\n")
    headlines = [verdict.finding.headline for verdict in report.verdicts if verdict.finding]
    assert headlines == [
        "sigmoid is a int, not a function: def sigmoid(z):",
        "the file has no function sigmoid_prime; it should have: def sigmoid_prime(z):",
    ]


def test_a_function_below_the_form_counts(tmp_path: Path) -> None:
    assert checked(tmp_path, template(exercise("sigmoid")) + "\n\n" + solution(exercise("sigmoid"))).passed


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"kqv rebuild sigmoid$"):
        check("sigmoid", tmp_path / "sigmoid.py")


def test_the_current_folder_cannot_shadow_what_the_check_needs(tmp_path: Path) -> None:
    (tmp_path / "kqv.py").write_text("raise SystemExit('shadowed')\n")
    assert checked(tmp_path, solution(exercise("sigmoid"))).passed


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="other systems may not tell")
def test_memory_of_this_process_is_known() -> None:
    held = resident(os.getpid())
    assert held is not None
    assert held > MIB


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps here")
def test_ps_tells_the_same() -> None:
    held, told = resident(os.getpid()), resident_by_ps(os.getpid())
    assert held is not None
    assert told == pytest.approx(held, rel=0.1)
    assert resident_by_ps(2**22 + 1) is None


@pytest.mark.skipif(os.name != "posix", reason="kill")
def test_it_ends_when_kqv_was_killed(tmp_path: Path) -> None:
    (tmp_path / "sigmoid.py").write_text(
        "import os\nopen('pid.part', 'w').write(str(os.getpid()))\nos.replace('pid.part', 'pid')\nwhile True: pass\n"
    )
    code = "from pathlib import Path; from kqv.workshop.checking import check; check('sigmoid', Path('sigmoid.py'))"
    kqv = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)})
    written = tmp_path / "pid"
    _wait_until(written.exists)
    kqv.kill()
    kqv.wait()
    _wait_until(lambda: not _is_alive(int(written.read_text())))


def _wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


WRITING = """import json
while True:
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps({"x": "y" * 100_000}) + chr(10))"""


def test_writing_answers_without_end_is_stopped(tmp_path: Path) -> None:
    limits = Limits(seconds=60, memory=400 * MIB, answers=2 * MIB)
    found = of_body(tmp_path, WRITING, limits)
    assert found.headline == "it was stopped after writing 2 MiB of answers: leave kqv's own files alone"


def test_a_file_cannot_grow_without_end(tmp_path: Path) -> None:
    body = "with open('large', 'wb') as file:\n    while True: file.write(bytes(1 << 24))"
    found = of_body(tmp_path, body, Limits(seconds=60, memory=400 * MIB))
    assert "File too large" in found.headline
    assert (tmp_path / "large").stat().st_size == LARGEST_FILE


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system shows no environments")
def test_a_process_in_a_session_of_its_own_ends_with_it(tmp_path: Path) -> None:
    body = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
        "open('pid', 'w').write(str(child.pid))\n"
        "while True: pass"
    )
    of_body(tmp_path, body, Limits(seconds=2, memory=400 * MIB))
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize("outcomes", ["7", "[7]", "[{}] * 40", "'x'", "{'result': []}"])
def test_answers_that_it_wrote_itself_give_no_traceback(outcomes: str, tmp_path: Path) -> None:
    told = f"[[], 7, None, {{}}, 'done', {{'function': 'sigmoid', 'outcomes': {outcomes}}}, {{'done': True}}]"
    lines = "file.write(chr(10).join(map(json.dumps, " + told + ")) + chr(10) + '[' * 100_000 + chr(10))"
    report = checked(tmp_path, f"import json, os, sys\nwith open(sys.argv[2], 'a') as file: {lines}\nos._exit(0)\n")
    assert not report.passed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_as_a_learners_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sigmoid.py")
    with pytest.raises(Error, match="it is a pipe or a device"):
        check("sigmoid", tmp_path / "sigmoid.py")
