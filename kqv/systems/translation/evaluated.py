"""How well a translator does on a whole set of pairs: its scores with their signatures, and its translations saved."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import Error
from kqv.evaluation.hypotheses import write_hypotheses
from kqv.evaluation.translation import score_translations
from kqv.files import make_folder
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.models.transformer import Transformer
from kqv.systems.source import ModelSource, find_model
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.systems.translation.batches import TokenBatches
from kqv.systems.translation.ensemble import Translators, join_translators
from kqv.systems.translation.kept_translations import TRANSLATIONS
from kqv.systems.translation.recipes import PairsPlan
from kqv.systems.translation.scored_pairs import ScoredPairs, scored_pairs
from kqv.systems.translation.task import lengths_of, mean_loss
from kqv.systems.translation.vocabularies import EncodedPairs


def evaluate(source: ModelSource, asked: EvaluationAsked, watcher: Watcher) -> Evaluated:
    """Score a run, or several together, on all pairs of a split, or of other data: translated by beam search, as the
    first one's recipe has it unless it is asked otherwise, and told the right tokens for the loss. The translations
    are saved in the first run, where it can be written to.

    Raises `Error` for data that is wrong, for runs that do not go together, and for a model that gives NaN.
    """
    run = source.require_run("only runs translate")
    others = [find_model(name, "translate") for name in asked.others]
    names = [one.name for one in (source, *others)]
    together = join_translators([source, *others], asked.best, asked.device)
    recipe, how = together.loaded[0].recipe, together.search(asked.beams, asked.length_penalty)
    plan = recipe.data
    found = scored_pairs(plan, asked.data, asked.split, watcher)
    encoded = found.encoded(together.vocabularies, together.context)
    loss, tokens = score_loss(together.models, encoded, recipe.training.batch)
    if not math.isfinite(loss):
        raise Error(f"the loss of {_listed(names)} is {loss}: such weights are of no use; train again, or try --best")
    hypotheses = translations(together, encoded, how, watcher)
    scores = score_translations(
        hypotheses,
        [target for _, target in found.pairs],
        form=plan.form,
        language=plan.target or "",
        tokenised_references=found.tokenised,
    )
    path = run.path / TRANSLATIONS / file_name(found.file, names[1:], asked.best)
    failure = _saved(path, hypotheses)
    perplexity = math.exp(loss)
    lines = [
        _heading(_listed(names), found, plan, how),
        scores.table(),
        f"loss {loss:.4f} nats per token, perplexity {perplexity:.2f}, over {tokens:,} tokens",
        failure or f"translations: {path}",
        found.warning,
    ]
    return Evaluated(
        {
            **({"with": names[1:]} if others else {}), "data": found.name, "split": found.split, "beams": how.beams,
            "length_penalty": how.length_penalty, **scores.as_json(), "loss": loss, "perplexity": perplexity,
            "tokens": tokens, "trained_on": found.trained, "translations": None if failure else str(path),
        },
        "\n".join(filter(None, lines)),
    )  # fmt: skip


def _heading(name: str, found: ScoredPairs, plan: PairsPlan, how: BeamSearch) -> str:
    beams = "1 beam" if how.beams == 1 else f"{how.beams} beams"
    return (
        f"{name} on {found.title}, {plan.source} to {plan.target}: {len(found.pairs):,} sentences, {beams}, length "
        f"penalty {how.length_penalty:g}"
    )


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b together`, `a, b and c together`."""
    *first, last = names
    return f"{', '.join(first)} and {last} together" if first else last


MOST_LETTERS = 100  # of runs' names in that of a file; file systems take 255 in all


def file_name(file: str, others: Sequence[str], best: bool) -> str:
    """What the translations of a run are called: `test.de`, `best.test.de`, `with-b-and-c.test.de`."""
    last = [re.sub(r"[^\w.-]+", "-", os.path.basename(name.rstrip("/"))) for name in others]  # noqa: PTH119
    joined = "-and-".join(last)
    if len(joined) > MOST_LETTERS:
        joined = f"{len(others)}-others-{hashlib.sha256(' '.join(others).encode()).hexdigest()[:8]}"
    return ".".join([*(["best"] if best else []), *([f"with-{joined}"] if others else []), file])


def score_loss(models: Sequence[Transformer], pairs: EncodedPairs, batch: int) -> tuple[float, int]:
    """Nats per token of the targets, `</s>` among them and padding left out, and how many tokens that are."""
    lengths = lengths_of(pairs)
    batches = TokenBatches(lengths, max(batch, int(lengths.max())), 0)
    return mean_loss(models, pairs, batches, models[0].tokens.weight.device), int(lengths[:, 1].sum())


def translations(together: Translators, pairs: EncodedPairs, how: BeamSearch, watcher: Watcher) -> list[str]:
    """The best translation of each pair's source."""
    sources = [source.tolist() for source, _ in pairs]
    with watcher.translating() as advance:
        found = beam_search(together.models, sources, BEGIN, END, how, advance=advance)
    return [together.vocabularies.target.decode(best[0].ids) for best in found]


def _saved(path: Path, hypotheses: list[str]) -> str:
    """Save translations in a run; why not, in a line, where it cannot be written to: the scores are worth having."""
    try:
        make_folder(path.parent)
        write_hypotheses(path, hypotheses)
    except Error as failure:
        return f"the translations are not saved: {failure}"
    return ""
