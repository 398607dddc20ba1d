"""What the documentation shows is what the commands print."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import kqv

DOCS = Path(__file__).parent.parent / "docs"
README = DOCS.parent / "README.md"
GUIDES = sorted((DOCS / "guide").glob("*.md"))
PRINTED = [README, *(path for path in GUIDES if path.stem != "10-the-lab")]  # that one shows pictures alone
FROM_A_REAL_MODEL = (
    "attention-of-it.png", "trace.png", "one-page.png",  # made by docs/screenshots.py
    *(f"lab-{room}.png" for room in ("digits", "sentence", "number", "shapes", "training")),  # docs/lab_pictures.py
)  # fmt: skip


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_formula_page_is_that_of_the_operations(generate: ModuleType) -> None:
    assert (DOCS / "reference" / "operations.md").read_text(encoding="utf-8") == generate.operations_page()


def test_the_formula_page_shows_no_python_internals(generate: ModuleType) -> None:
    page = generate.operations_page()
    assert "<class" not in page
    assert "Options: `probability` (required)." in page
    assert "Options: `epsilon` (1e-05)." in page


def test_the_command_reference_is_that_of_the_commands(generate: ModuleType) -> None:
    assert (DOCS / "reference" / "commands.md").read_text(encoding="utf-8") == generate.commands_page()


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.stem)
def test_a_page_shows_what_its_commands_print(path: Path, generate: ModuleType, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if lacks := generate.missing(text):
        pytest.skip(f"the page needs real models: kqv data fetch {' '.join(lacks)}")
    shown, fresh = generate.skeleton(text), generate.skeleton(generate.guide_page(text, tmp_path, hurry=True))
    assert sum(line.startswith("$ kqv ") for line in shown) > 4
    assert shown == fresh, "run: python docs/generate.py"


def test_a_page_says_which_data_it_needs(generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KQV_DATA", str(tmp_path))
    monkeypatch.setattr("kqv.data.sources.cache_folder", lambda: tmp_path / "cache")
    page = "# A page\n\n<!-- needs gpt2 digits8x8 smollm2 -->\n"
    assert generate.missing(page) == ["gpt2", "smollm2"]
    for name in ("encoder.json", "vocab.bpe"):
        (tmp_path / "gpt2").mkdir(exist_ok=True)
        (tmp_path / "gpt2" / name).write_bytes(b"")
    assert generate.missing(page) == ["smollm2"]
    assert generate.missing("# A page\n") == []


def test_the_skeleton_keeps_what_lasts_and_drops_numbers(generate: ModuleType) -> None:
    page = "Prose 1.\n```\n$ kqv trace x\nlayers.0.z[batch=0, out=7] = 1.5\n  formula     z = x\n  numbers 1·2\n```\n"
    other = page.replace("1.5", "−2.5").replace("1·2", "3·4")
    assert generate.skeleton(page) == generate.skeleton(other)
    assert generate.skeleton(page) != generate.skeleton(page.replace("z = x", "z = y"))
    assert generate.skeleton(page) != generate.skeleton(page.replace("Prose 1", "Prose 2"))
    quoted = "```python\nx = 1\n```\n"
    assert generate.skeleton(quoted) != generate.skeleton(quoted.replace("1", "2"))
    assert generate.skeleton("```\nw[vocab=7] = 1\n```") == generate.skeleton("```\nw[vocab=8] = 1\n```")


def test_every_file_named_in_the_readme_exists() -> None:
    root = DOCS.parent
    readme = (root / "README.md").read_text(encoding="utf-8")
    named = [part.split(")")[0] for part in readme.split("](")[1:]] + [
        line.split()[0] for line in readme.splitlines() if line.startswith("kqv/")
    ]
    assert len(named) > 5
    for path in named:
        assert (root / path).exists(), path


def test_every_snippet_of_a_page_is_run() -> None:
    for path in (README, *GUIDES):
        text = path.read_text(encoding="utf-8")
        marked = len(re.findall(r"<!-- (python|body of|file|code of)\b[^\n]* -->\n```python", text))
        assert text.count("```python") == marked, path.name


def test_the_readme_activates_the_environment_before_it_types_kqv_alone() -> None:
    text = README.read_text(encoding="utf-8")
    alone = re.search(r"^```\n(\$ )?kqv ", text, re.MULTILINE)
    assert alone is not None
    assert text.index(".venv/bin/kqv tour") < text.index("source .venv/bin/activate") < alone.start()


def test_the_readme_shows_pictures_that_load_quickly() -> None:
    pictures = re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert len(pictures) >= 2
    for picture in pictures:
        assert (DOCS.parent / picture).stat().st_size < 200_000, picture


def test_in_a_hurry_trainings_of_a_gpt_alone_are_shorter(generate: ModuleType) -> None:
    training = generate.command("kqv train gpt --steps 200 --out runs/a --steps-not 7")
    assert generate.hurried(training)["text"] == "kqv train gpt --steps 40 --out runs/a --steps-not 7"
    for other in ("kqv train translate --steps 1200", "kqv compare slow-learning --steps 200"):
        assert generate.hurried(generate.command(other)) == generate.command(other)


def test_generating_takes_only_kqv_commands(generate: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="only kqv commands"):
        generate.run([generate.command("rm -rf something")], tmp_path)


def test_pages_can_be_made_by_name(generate: ModuleType) -> None:
    assert [path.stem for path in generate.chosen(["6-the-transformer"])] == ["6-the-transformer"]
    assert generate.chosen([]) == [README, *GUIDES]
    with pytest.raises(SystemExit, match=r"no page is called 8; there are README, 1-"):
        generate.chosen(["8", "README"])


def test_a_brief_cell_leaves_out_its_sources_and_its_check(generate: ModuleType) -> None:
    cell = """y[1] = 3    sum of 2 uses
  formula     y = a + b
  numbers     1 + 2 = 3
  use 1       one
    from          1  a[0]
                  2  of a long name
    check       in float64 1
  use 2       another
  from          1  a[0]
                2  b[0]
  chosen by   ids[0]
  check       in float64 3 · differs by 0
z = 1
"""
    assert (
        generate.brief(cell)
        == """y[1] = 3    sum of 2 uses
  formula     y = a + b
  numbers     1 + 2 = 3
  use 1       one
    …
  use 2       another
  …
z = 1
"""
    )


GUIDE = """
<!-- python -->
```python
sizes = [784, 10]
```

<!-- python -->
```python
print("a")
print(sizes)
```
```
old
```

<!-- $ kqv --version | last 1 -->
```
old
```

<!-- $ kqv rebuild | section Next: kqv rebuild sigmoid -->
```
```

<!-- code of kqv.dimensions.Bindings.call -->
```python
```

<!-- $ kqv rebuild sigmoid -->
```
```

<!-- body of rebuild/sigmoid.py -->
```python
    return z
```

<!-- file rebuild/sigmoid.py -->
```python
```
"""


def test_a_guide_shows_commands_python_and_files_in_one_session(generate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    page = generate.guide_page(GUIDE, tmp_path)
    assert "```python\nsizes = [784, 10]\n```\n\n" in page  # prints nothing, so no block follows
    assert "print(sizes)\n```\n```\na\n[784, 10]\n```\n" in page
    assert f"$ kqv --version\n…\nkqv {kqv.__version__}\n```" in page
    assert "$ kqv rebuild\n…\n\nNext: kqv rebuild sigmoid\n\n…\n```" in page
    assert "```python\ndef call(self) -> Bindings:\n    " in page  # moved to the left
    assert page.rstrip().endswith('"""\n    return z\n```')
    assert generate.skeleton(page) == generate.skeleton(generate.guide_page(page, tmp_path / "again"))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("<!-- $ kqv evaluate nothing -->\n```\n```", "failed"),
        ("<!-- $ kqv --version | fails -->\n```\n```", "did not fail"),
        ("<!-- $ kqv --version | section nothing -->\n```\n```", "expected one section 'nothing'"),
        ("<!-- code of kqv.nothing -->\n```python\n```", "there is no kqv.nothing"),
        ("<!-- python -->\n```python\n1 / 0\n```", "ZeroDivisionError"),
        ("<!-- python | fails -->\n```python\n1 + 1\n```", "did not fail"),
    ],
)
def test_a_guide_whose_steps_go_otherwise_is_refused(
    block: str, words: str, generate: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=words):
        generate.guide_page(block, tmp_path)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_s_figures_and_links_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (path.parent / link).exists(), link
    for figure in re.findall(r"\]\(pictures/([^)]+)png\)", text):
        figure = f"{figure}png"
        if figure in FROM_A_REAL_MODEL:
            continue
        drawn = (f"--plot {figure}", f"--attention {figure}")
        assert any(option in text for option in drawn), f"no command of the guide draws {figure}"
