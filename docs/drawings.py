"""Draw the guide's diagrams, as SVG files in guide/pictures; the same files every time.

python docs/drawings.py           draw them all
python docs/drawings.py --check   say which files differ from what would be drawn; exit status 1 if any does
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from canvas import Canvas

from kqv.data.text.characters import Characters
from kqv.operations import sinusoidal

PICTURES = Path(__file__).parent / "guide" / "pictures"
LETTERS = "the impor".replace(" ", "␣")
Row = dict[tuple[int, int], str]


def digits() -> Canvas:
    """The network of chapter 1, forward and backward, with every shape."""
    canvas = Canvas(
        860, 400,
        "The digit network. Forward: the picture a¹ [64] becomes z² [30], a² [30], z³ [10], a³ [10] and the cost. "
        "Backward: the errors δ³ and δ² have the shapes of z³ and z², and the gradients those of the weights.",
    )  # fmt: skip
    canvas.text(24, 32, "forward: from the picture to the cost", "forward strong")
    canvas.text(24, 384, "backward: from the cost to every weight", "backward strong")
    left, wide, gap = 24, 82, 64
    places = [left + number * (wide + gap) for number in range(6)]
    top = [("a¹ = x", "[64]"), ("z²", "[30]"), ("a²", "[30]"), ("z³", "[10]"), ("a³", "[10]"), ("C", "[ ]")]
    for x, (symbol, shape) in zip(places, top, strict=True):
        canvas.labelled(x, 110, wide, 52, "box", (symbol, "ink strong"), (shape, "quiet mono"))
    steps = ["·w² + b²", "σ", "·w³ + b³", "σ", "½‖y−a³‖²"]
    for x, step in zip(places, steps, strict=False):
        canvas.arrow((x + wide, 136), (x + wide + gap, 136), kind="there", width=2)
        canvas.text(x + wide + gap / 2, 128, step, "forward small", "middle")
    for at, layer, shape, bias in ((0, "2", "[30, 64]", "[30]"), (2, "3", "[10, 30]", "[10]")):
        x = places[at] + wide + gap / 2
        canvas.labelled(x - 66, 46, 132, 44, "part", (f"w{_raised(layer)} {shape}", "ink mono"),
                        (f"b{_raised(layer)} {bias}", "ink mono"))  # fmt: skip
        canvas.arrow((x, 90), (x, 114), kind="there")
    below = [None, ("δ²", "[30]"), ("∂C/∂a²", "[30]"), ("δ³", "[10]"), ("∂C/∂a³", "[10]"), ("∂C/∂C = 1", "[ ]")]
    for x, error in zip(places, below, strict=True):
        if error is not None:
            canvas.labelled(x, 226, wide, 52, "back", (error[0], "ink strong"), (error[1], "quiet mono"))
            canvas.line((x + wide / 2, 162), (x + wide / 2, 226), dashed=True)
    back = ["", "⊙ σ′(z²)", "(w³)ᵀ·", "⊙ σ′(z³)", "a³ − y"]
    for x, step in list(zip(places, back, strict=False))[1:]:
        canvas.arrow((x + wide + gap, 252), (x + wide, 252), kind="home", width=2)
        canvas.text(x + wide + gap / 2, 243, step, "backward small", "middle")
    for at, layer, formula, shape in ((1, "2", "δ²·(a¹)ᵀ", "[30, 64]"), (3, "3", "δ³·(a²)ᵀ", "[10, 30]")):
        x = places[at] + wide / 2
        canvas.arrow((x, 278), (x, 304), kind="home")
        canvas.labelled(x - 100, 304, 200, 48, "part", (f"∂C/∂w{_raised(layer)} = {formula}  {shape}", "ink small"),
                        (f"∂C/∂b{_raised(layer)} = δ{_raised(layer)}", "ink small"))  # fmt: skip
    canvas.text(24, 200, "each gradient has", "quiet small")
    canvas.text(24, 214, "its number's shape", "quiet small")
    return canvas


def text() -> Canvas:
    """How a text becomes ids, and ids become vectors."""
    words = "it was"
    known = sorted(set("it tasted as it was"))
    vocabulary, signs = Characters(known), [sign.replace(" ", "␣") for sign in known]
    ids = vocabulary.encode(words).tolist()
    canvas = Canvas(
        860, 390,
        "A text becomes ids, by the vocabulary; each id picks a row of the token table, each position a row of the "
        "position table; the two rows are added, and give [position, model].",
    )  # fmt: skip
    canvas.text(24, 34, "1  text", "ink strong")
    canvas.text(24, 94, "2  ids", "ink strong")
    canvas.text(24, 154, "3  vectors", "ink strong")
    for number, (sign, its) in enumerate(zip(words.replace(" ", "␣"), ids, strict=True)):
        x = 130 + 44 * number
        canvas.labelled(x, 16, 34, 28, "part", (sign, "ink mono"))
        canvas.arrow((x + 17, 44), (x + 17, 76))
        canvas.labelled(x, 76, 34, 28, "box", (str(its), "ink mono"))
    canvas.text(420, 34, f"vocabulary: {len(signs)} tokens, numbered", "quiet")
    canvas.text(420, 56, "  ".join(f"{number} {sign}" for number, sign in enumerate(signs)), "ink mono")
    canvas.text(420, 94, "[position=6]; an id is a name, not a size", "quiet")
    at, cell, columns = 3, 16, 8
    row = {(ids[at], column): "asks" for column in range(columns)}
    canvas.table(130, 186, len(signs), columns, cell, row)
    canvas.text(130, 176, "token table", "ink")
    canvas.text(130, 202 + cell * len(signs), f"[vocab={len(signs)}, model]", "quiet mono")
    for number, sign in enumerate(signs):
        canvas.text(120, 199 + cell * number, f"{number} {sign}", "ink mono small", "end")
    canvas.table(372, 186, len(words), columns, cell, {(at, column): "asked" for column in range(columns)})
    canvas.text(372, 176, "position table, or waves", "ink")
    canvas.text(372, 202 + cell * len(words), "[position=6, model]", "quiet mono")
    for number in range(len(words)):
        canvas.text(362, 199 + cell * number, str(number), "ink mono small", "end")
    canvas.table(614, 186, len(words), columns, cell, {(at, column): "both" for column in range(columns)})
    canvas.text(614, 176, "what goes into block 0", "ink")
    canvas.text(614, 202 + cell * len(words), "[position=6, model]", "quiet mono")
    for number, sign in enumerate(words.replace(" ", "␣")):
        canvas.text(604, 199 + cell * number, sign, "ink mono small", "end")
    middle = 186 + cell * len(words) / 2
    canvas.text(302, middle + 8, "+", "ink title", "middle")
    canvas.text(544, middle + 8, "=", "ink title", "middle")
    canvas.text(24, 372, f"The letter w is id {ids[at]} and stands at position {at}: row {ids[at]} of the one table "
                f"plus row {at} of the other.", "quiet")  # fmt: skip
    return canvas


def attention() -> Canvas:
    """The column of attention, from projection to projection: one row and one cell followed through it."""
    size, cell, query, key = len(LETTERS), 11, 8, 4
    canvas = Canvas(
        900, 830,
        "Attention in six steps: project x to queries, keys and values; score each query with each key; mask later "
        "positions; softmax each row; mix the values by the weights; put the heads together and project.",
    )  # fmt: skip

    def row_of(at: int, columns: int, kind: str) -> Row:
        return {(at, column): kind for column in range(columns)}

    def step(y: float, number: str, name: str, *lines: str) -> None:
        canvas.text(24, y, f"{number}  {name}", "ink title")
        for line, words in enumerate(lines):
            canvas.text(24, y + 20 + 17 * line, words, "quiet")

    def letters(x: float, y: float) -> None:
        for at, letter in enumerate(LETTERS):
            kind = "backward strong" if at == query else "forward strong" if at == key else "quiet"
            canvas.text(x - 6, y + cell * at + 9, letter, f"{kind} mono tiny", "end")

    def square(y: float, marked: Row, shape: str) -> None:
        canvas.table(470, y, size, size, cell, marked, sheets=4)
        letters(470, y)
        canvas.text(610, y + 56, shape, "ink mono")

    later = {(r, c): "unseen" for r in range(size) for c in range(size) if c > r}
    row = {(query, c): "asks" for c in range(size)}
    step(44, "", "what comes in", "a row of numbers for each letter")
    canvas.table(400, 24, size, 20, cell, {**row_of(query, 20, "asks"), **row_of(key, 20, "asked")})
    letters(400, 24)
    canvas.text(636, 80, "x [position=9, model=128]", "ink mono")
    step(180, "1", "project", "three linear maps; four heads", "share the 384 numbers")
    for number, (name, at, kind) in enumerate(
        (("queries Q", query, "asks"), ("keys K", key, "asked"), ("values V", key, "asked"))
    ):
        x = 330 + 118 * number
        canvas.table(x, 172, size, 5, cell, row_of(at, 5, kind), sheets=4)
        canvas.text(x + 28, 288, name, "ink", "middle")
        canvas.arrow((x + 27, 128), (x + 27, 150))
    canvas.text(662, 212, "Q [head=4, query=9, channel=32]", "ink mono small")
    canvas.text(662, 230, "K [head=4, key=9, channel=32]", "ink mono small")
    canvas.text(662, 248, "V [head=4, key=9, channel=32]", "ink mono small")
    step(336, "2", "score", "how well does each query fit each key?", "Q·Kᵀ / √32: r asks, i answers")
    square(324, {(query, key): "both"}, "scores [head=4, query=9, key=9]")
    step(470, "3", "mask", "grey: later letters, −∞", "nobody reads ahead")
    square(458, {**later, (query, key): "both"}, "masked_scores, as scores")
    step(604, "4", "softmax", "each row becomes weights that", "add up to 1")
    square(592, {**later, **row, (query, key): "both"}, "weights [head=4, query=9, key=9]")
    step(738, "5", "mix, and project", "each query gets the values, by its weights;",
         "then 4·32 numbers go side by side", "through one more linear map")  # fmt: skip
    canvas.table(400, 722, size, 5, cell, row_of(query, 5, "asks"), sheets=4)
    canvas.arrow((484, 768), (528, 768))
    canvas.table(540, 722, size, 12, cell, row_of(query, 12, "asks"))
    canvas.text(690, 760, "mixed [head=4, query=9,", "ink mono small")
    canvas.text(690, 776, "  channel=32]", "ink mono small")
    canvas.text(690, 796, "output [position=9, model=128]", "ink mono small")
    for y in (298, 430, 564, 698):
        canvas.arrow((520, y), (520, y + 10 if y == 298 else y + 12))
    return canvas


def block() -> Canvas:
    """One block: two parts that add to the residual stream."""
    canvas = Canvas(
        860, 270,
        "A block of GPT: x goes on unchanged; attention of the normed x is added to it, then a feed-forward part of "
        "the normed sum. Backward the gradient passes each plus whole.",
    )  # fmt: skip
    stream, sums = 200, (370, 760)
    canvas.text(24, 188, "x", "ink strong")
    canvas.text(24, 224, "[position=9, model=128]", "quiet mono")
    canvas.arrow((40, stream), (sums[0] - 13, stream), kind="there", width=4)
    canvas.arrow((sums[0] + 13, stream), (sums[1] - 13, stream), kind="there", width=4)
    canvas.arrow((sums[1] + 13, stream), (840, stream), kind="there", width=4)
    canvas.text(400, 224, "the residual stream: always the same shape", "forward")
    for at in sums:
        canvas.drawn.append(f'<circle cx="{at}" cy="{stream}" r="13" class="box"/>')
        canvas.text(at, stream + 6, "+", "ink title", "middle")
    for start, end, parts in (
        (70, sums[0], [("norm", "", 70), ("attention", "between positions", 150)]),
        (410, sums[1], [("norm", "", 70), ("feed-forward", "128 → 512 → GELU → 128", 210)]),
    ):
        x = start + 26.0
        canvas.arrow((start, stream), (start, 90), (x, 90))
        for number, (name, note, wide) in enumerate(parts):
            lines = [(name, "ink strong"), *([(note, "quiet small")] if note else [])]
            canvas.labelled(x, 62, wide, 56, "part", *lines)
            x += wide
            if number + 1 < len(parts):
                canvas.arrow((x, 90), (x + 20, 90))
                x += 20
        canvas.arrow((x, 90), (end, 90), (end, stream - 13))
    canvas.text(96, 44, "letters look at one another", "ink")
    canvas.text(436, 44, "each letter by itself, all through the same weights", "ink")
    canvas.arrow((840, 246), (430, 246), kind="home", dashed=True)
    canvas.arrow((414, 246), (40, 246), kind="home", dashed=True)
    canvas.text(
        40,
        263,
        "backward: each + hands the gradient on whole, along the stream and into the part above",
        "backward small",
    )
    return canvas


def positions() -> Canvas:
    """The waves of sinusoidal positions, and how alike two positions are, by their distance."""
    count, width, across, down = 48, 32, 16, 7
    table = sinusoidal(torch.arange(count), model=width).double()
    canvas = Canvas(
        860, 450,
        "Left: 32 numbers for each of 48 positions, from fast waves to slow ones. Right: the dot product of two "
        "positions is largest for the same position, and depends on the distance alone.",
    )  # fmt: skip
    canvas.text(24, 32, "48 positions, 32 numbers each", "ink title")
    canvas.text(24, 52, "a row is a position's pattern; orange +1, white 0, blue −1", "quiet")
    levels = (table * 8).round().int()
    for level in sorted(set(levels.flatten().tolist())):
        places = (levels == level).nonzero().tolist()
        areas = [(44.0 + across * c, 66.0 + down * r, across, down) for r, c in places]
        canvas.cells("", areas, fill=_shade(level / 8))
    for position in range(0, count, 8):
        canvas.text(38, 66 + down * position + 7, str(position), "quiet mono small", "end")
    canvas.text(44, 66 + down * count + 16, "0", "quiet mono small")
    canvas.text(44 + across * width, 66 + down * count + 16, "31", "quiet mono small", "end")
    canvas.text(300, 66 + down * count + 16, "column: fast waves left, slow ones right", "quiet small", "middle")
    left, top, wide, high = 610.0, 96.0, 220.0, 250.0
    canvas.text(left - 10, 32, "how alike two positions are", "ink title")
    canvas.text(left - 10, 52, "dot product of position 24 and p", "quiet")
    alike = (table @ table[24]).tolist()
    floor, peak = min(0.0, *alike), max(alike)
    points = [
        (round(left + wide * at / (count - 1), 1), round(top + high * (peak - value) / (peak - floor), 1))
        for at, value in enumerate(alike)
    ]
    canvas.line((left, top), (left, top + high), (left + wide, top + high))
    canvas.line(*points, kind="home", width=2)
    canvas.text(left - 6, top + 8, f"{peak:.0f}", "quiet mono small", "end")
    canvas.text(left - 6, top + high, f"{floor:.0f}", "quiet mono small", "end")
    for at in (0, 24, 47):
        canvas.text(left + wide * at / (count - 1), top + high + 16, str(at), "quiet mono small", "middle")
    canvas.text(left + wide / 2, top + high + 34, "position p", "quiet small", "middle")
    return canvas


def _raised(layer: str) -> str:
    return {"2": "²", "3": "³"}[layer]


def _shade(value: float) -> str:
    """Orange for +1, white for 0, blue for −1."""
    ends = (0xD5, 0x5E, 0x00) if value > 0 else (0x0B, 0x53, 0x94)
    return "#" + "".join(f"{round(255 + (end - 255) * abs(value)):02x}" for end in ends)


DRAWINGS: dict[str, Callable[[], Canvas]] = {
    "digits.svg": digits,
    "text.svg": text,
    "attention.svg": attention,
    "block.svg": block,
    "positions.svg": positions,
}


def main() -> int:
    """Write the files, or with `--check` compare them."""
    differing = []
    for name, draw in DRAWINGS.items():
        path, drawn = PICTURES / name, draw().svg()
        if path.exists() and path.read_text(encoding="utf-8") == drawn:
            continue
        if "--check" in sys.argv[1:]:
            differing.append(name)
        else:
            PICTURES.mkdir(exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
            sys.stdout.write(f"drew {name}\n")
    for name in differing:
        sys.stderr.write(f"guide/pictures/{name} is not what docs/drawings.py draws; run: python docs/drawings.py\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
