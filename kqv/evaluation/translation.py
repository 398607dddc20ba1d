"""Scores of translations over a whole set, each with the signature that says how it was computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from textwrap import wrap
from typing import Any, Literal

from kqv.data.parallel.pairs import Form
from kqv.errors import Error
from kqv.evaluation.hypotheses import one_line
from kqv.evaluation.moses import UNSPACED, lowercased_normalised_tokenised, moses_language, without_region

Tokenizer = Literal["none", "13a", "zh", "char"]

COLUMNS = 80
COMPARABLE = "bleu_tokenised"
"""The name in JSON of the BLEU that papers on Multi30k give, whichever form of text the model was trained on."""


@dataclass(frozen=True)
class Figure:
    """A score from 0 to 100, its names in JSON and its name in words, sacrebleu's signature, and which `text` it was
    computed on."""

    keys: tuple[str, ...]
    name: str
    score: float
    signature: str
    text: str


@dataclass(frozen=True)
class TranslationScores:
    """Scores of translations against one reference each: `figures`, and how many `exact` ones of all `sentences` are
    their reference."""

    figures: tuple[Figure, ...]
    exact: int
    sentences: int

    @property
    def exact_match(self) -> float:
        """The fraction of sentences whose translation is the reference, white space at the ends aside."""
        return self.exact / self.sentences

    @property
    def bleu(self) -> float:
        """BLEU on the text in the form in which it was given, from 0 to 100."""
        return self.figure("bleu").score

    @property
    def chrf(self) -> float:
        """chrF on the text in the form in which it was given, from 0 to 100."""
        return self.figure("chrf").score

    def figure(self, key: str) -> Figure:
        """The figure with that name in JSON; `KeyError` where there is none."""
        for figure in self.figures:
            if key in figure.keys:
                return figure
        raise KeyError(key)

    def as_json(self) -> dict[str, Any]:
        """Each score by its key, their `signatures`, and in `texts` what each was computed on, by the same keys."""
        by_key = {key: figure for figure in self.figures for key in figure.keys}
        return {
            **{key: figure.score for key, figure in by_key.items()},
            "exact_match": self.exact_match,
            "sentences": self.sentences,
            "signatures": {key: figure.signature for key, figure in by_key.items()},
            "texts": {key: figure.text for key, figure in by_key.items()},
        }

    def table(self) -> str:
        """The figures for people: name, score and what it was computed on, and the signature below."""
        rows = [(one.name, one.score, one.text, one.signature) for one in self.figures]
        exact = f"percent of the sentences, {self.exact:,} of {self.sentences:,}"
        rows.append(("exact match", 100 * self.exact_match, exact, ""))
        width = max(len(name) for name, *_ in rows)
        lines = []
        for name, score, text, signature in rows:
            first, *rest = wrap(text, COLUMNS - width - len("  100.00  "))
            lines += [f"{name:{width}}  {score:6.2f}  {first}", *(f"{'':{width}}          {line}" for line in rest)]
            lines += [f"    {signature}"] if signature else []
        return "\n".join(lines)


def score_translations(
    hypotheses: Sequence[str], references: Sequence[str], *, form: Form, language: str,
    tokenised_references: Sequence[str] | None = None,
) -> TranslationScores:  # fmt: skip
    """BLEU, chrF and exact matches of `hypotheses` in `language` against `references`, line by line.

    Of text that is "tokenised", BLEU takes the tokens as they are (`--tokenize none`), as papers on Multi30k do. Of
    "raw" text it takes the text as people read it, cased (`13a`; characters for languages without spaces), which is the
    honest figure; beside it `bleu_tokenised` is the one that compares with papers: hypotheses lowercased, normalised
    and tokenised, against `tokenised_references`, the published ones, or else the references brought into that form.

    BLEU = exp(min(0, 1 − r/c)) · (Π_{n=1..4} precision_n)^(1/4), of the whole set, with c tokens of hypotheses and r of
    references (Papineni et al. 2002, BLEU); chrF is the F₂ score of character n-grams up to 6 (Popović 2015, chrF).
    Both by sacrebleu (Post 2018, A Call for Clarity in Reporting BLEU Scores).

    Raises `Error`: no sentences, or another number of references than of hypotheses.
    """
    _check(hypotheses, references, "references")
    if tokenised_references is not None:
        _check(hypotheses, tokenised_references, "tokenised references")
    said, wanted = ([one_line(line) for line in lines] for lines in (hypotheses, references))
    if form == "tokenised":
        figures = [bleu(said, wanted, "none", keys=("bleu", COMPARABLE), text="tokenised, as given")]
    else:
        figures = [bleu(said, wanted, honest_tokenizer(language), text="as written, cased and detokenised")]
        if without_region(language) not in UNSPACED:
            figures.append(_comparable(said, wanted, language, tokenised_references))
    figures.append(chrf(said, wanted, text=figures[0].text))
    exact = sum(one.strip() == other.strip() for one, other in zip(said, wanted, strict=True))
    return TranslationScores(tuple(figures), exact, len(said))


def honest_tokenizer(language: str) -> Tokenizer:
    """Which of sacrebleu's tokenizers parts the text of a language as people write it."""
    code = without_region(language)
    if code in UNSPACED:
        return "zh" if code in ("zh", "yue") else "char"
    return "13a"


def bleu(
    hypotheses: Sequence[str], references: Sequence[str], tokenizer: Tokenizer, *,
    keys: tuple[str, ...] = ("bleu",), name: str = "BLEU", text: str = "",
) -> Figure:  # fmt: skip
    """BLEU by sacrebleu over a whole set, cased, with its signature: the same as its command line's."""
    from sacrebleu.metrics.bleu import BLEU

    # force: no warning that the text looks tokenised, which is known here
    metric = BLEU(tokenize=tokenizer, force=True)
    score = metric.corpus_score(hypotheses, [references]).score
    return Figure(keys, name, score, str(metric.get_signature()), text)


def chrf(hypotheses: Sequence[str], references: Sequence[str], *, text: str = "") -> Figure:
    """chrF by sacrebleu over a whole set, with its signature: the same as its command line's."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    score = metric.corpus_score(hypotheses, [references]).score
    return Figure(("chrf",), "chrF", score, str(metric.get_signature()), text)


def _comparable(
    hypotheses: Sequence[str], references: Sequence[str], language: str, published: Sequence[str] | None
) -> Figure:  # fmt: skip
    """BLEU as papers on Multi30k give it, with what it was computed on and against in words."""
    against: Sequence[str] = published or lowercased_normalised_tokenised(references, language)
    whose = "against the published reference" if published else "the reference likewise"
    moses = f"sacremoses {version('sacremoses')} ({moses_language(language)})"
    text = f"lowercased, normalised, tokenised by {moses}; {whose}"
    said = lowercased_normalised_tokenised(hypotheses, language)
    return bleu(said, against, "none", keys=(COMPARABLE,), name="BLEU tokenised", text=text)


def _check(hypotheses: Sequence[str], references: Sequence[str], what: str) -> None:
    if len(hypotheses) != len(references):
        raise Error(
            f"{len(hypotheses):,} translations cannot be scored against {len(references):,} {what}; give one for each,"
            " line n the translation of line n"
        )
    if not hypotheses:
        raise Error("there is nothing to score: no translations and no references; give at least one sentence")
