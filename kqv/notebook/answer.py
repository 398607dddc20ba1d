"""The view of a comparison's answer: what it says in words, the variants side by side, and how they learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from kqv.experiments.answer import Answer
from kqv.experiments.folder import Folder
from kqv.lab.questions.found import described, parts
from kqv.notebook.asking import jsonable
from kqv.notebook.view import View


class AnswerView(View):
    """An answer in a cell's output, as its folder has it."""

    answer = traitlets.Dict().tag(sync=True)
    lines = traitlets.Dict().tag(sync=True)

    def __init__(self, answer: Answer, **choices: Any) -> None:
        folder = Folder(answer.folder)
        super().__init__(view="answer", answer=jsonable(described(folder)), lines=_lines(folder), **choices)


def _lines(folder: Folder) -> dict[str, bytes]:
    """Each line of each figure: epochs, values, and the lowest and highest over the seeds, one row each."""
    found = {}
    for at, part in enumerate(parts(folder)):
        for number, line in enumerate(part.lines):
            low, high = line.band or (line.values, line.values)
            rows = np.array([line.epochs, line.values, low, high], dtype="<f4")
            found[f"{at},{number}"] = rows.tobytes()
    return found
