"""How many squares of a trace's self-contained page tell their arithmetic, and how large the page is.

    python benchmarks/page_squares.py smollm2 "The pizza came out of the oven and it tasted good." --word it

The squares are drawn at random from all numbers that the page holds (`--samples`, seed 0); one tells where the page
holds every number that its arithmetic takes. `--all` lists them by tensor, those that tell least often first.
"""

from __future__ import annotations

import argparse

from kqv.cli.preparing import TerminalWatcher
from kqv.systems.source import find_model
from kqv.systems.system import TraceAsked, kind_named
from kqv.trace.views.page import page_html
from kqv.trace.views.page.content import page_content
from kqv.trace.views.page.squares import squares_of


def main() -> None:
    """Trace, write the page into memory, look at its squares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("input", nargs="?")
    parser.add_argument("--word")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--all", action="store_true", help="each kind of tensor")
    given = parser.parse_args()
    with TerminalWatcher() as watcher:
        source = find_model(given.model, progress=watcher.downloading)
        kind = kind_named(source.system)
        traced = kind.trace(source, TraceAsked(given.input, None, False, None), watcher)
    arguments = {"word": given.word, "everything": traced.everything}
    html = page_html(traced.trace, **arguments)
    content = page_content(traced.trace, "kqv trace", 600, 65_536, **arguments)
    found = squares_of(traced.trace, content, given.samples)
    print(f"{len(html.encode()) / 1e6:.2f} MB, {found.drawn:,} squares")
    print(f"{100 * found.fraction:.1f} % of {found.looked_at:,} squares tell their arithmetic")
    if given.all:
        for name, (looked, telling) in sorted(found.by_tensor.items(), key=lambda one: one[1][1] / one[1][0]):
            print(f"  {telling:5} of {looked:5}  {name}")


if __name__ == "__main__":
    main()
