"""Numbers, dates, times and amounts, from German to English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kqv.data.sets.table import Read, Source, add
from kqv.errors import DataError

if TYPE_CHECKING:
    from kqv.data.parallel.pairs import ParallelText, Wanted

QUANTITY = 50_000

SOURCE = Source(
    name="numbers-dates",
    title="numbers, dates, times and amounts, German to English",
    kind="sentence pairs",
    licence="Unicode License",
    homepage="https://babel.pocoo.org",
    embedded=True,
    note="generated with Babel and num2words, from the Unicode locale data",
)


def parallel(_: Read, wanted: Wanted) -> ParallelText:
    """As many pairs as wanted, else 50,000. Raises `DataError` for a quantity or form that there is not."""
    from kqv.data.parallel.generated import generate
    from kqv.data.parallel.pairs import ParallelText

    if wanted.form != "raw":
        raise DataError(f"numbers-dates is raw text, there is no {wanted.form} form; ask for raw")
    train, validation, test = generate(QUANTITY if wanted.quantity is None else wanted.quantity, wanted.seed)
    return ParallelText("numbers-dates", "de", "en", train, validation, test)


add(SOURCE, parallel=parallel)
