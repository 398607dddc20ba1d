"""Text as the published tokenised files have it: lowercased, punctuation normalised, tokenised, as Moses does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

UNSPACED = frozenset({"zh", "yue", "ja", "th"})
"""Languages that put no spaces between words; Moses leaves their words unparted."""


def without_region(language: str) -> str:
    """`en` of `en-GB` and `EN_us`."""
    return language.strip().lower().replace("_", "-").partition("-")[0]


def moses_language(language: str) -> str:
    """The language whose rules are used: `language`, or English where sacremoses has no rules for it, as Moses does."""
    from sacremoses.corpus import NonbreakingPrefixes  # type: ignore[import-untyped]

    code = without_region(language)
    return code if code in NonbreakingPrefixes().available_langs.values() else "en"


def lowercased_normalised_tokenised(lines: Sequence[str], language: str) -> list[str]:
    """Each line as `lowercase.perl`, `normalize-punctuation.perl` and `tokenizer.perl` of Moses give it, one after the
    other: tokens parted by single spaces, hyphens kept inside words, and & < > | [ ] ' " written as `&apos;` and the
    like.

    Multi30k's `lc.norm.tok` files were made so (Elliott et al. 2016, Multi30K, section 3); a test counts in how many
    lines this gives the same.
    """
    one = _pipeline(moses_language(language))
    return [one(line) for line in lines]


@lru_cache(maxsize=8)
def _pipeline(language: str) -> Callable[[str], str]:
    from sacremoses import MosesPunctNormalizer, MosesTokenizer  # type: ignore[import-untyped]

    normaliser: Any = MosesPunctNormalizer(lang=language, perl_parity=True)
    tokenizer: Any = MosesTokenizer(lang=language)

    def one(line: str) -> str:
        # The scripts read a line with its line feed, and German's rule for a full stop before a closing quotation mark
        # takes it for the character that has to follow: without it, the last sentence of a line is left as it is.
        normalised = normaliser.normalize(" ".join(line.lower().splitlines()) + "\n")
        return str(tokenizer.tokenize(normalised, return_str=True))

    return one
