"""Beam search: of all translations begun so far the most likely few are continued, for many sources at once.

Each step continues the `beams` texts of a source by every token and looks at the 2·beams most likely results. Those of
the first half that end with `</s>` are finished and leave; the best `beams` of the others go on, so that there are
always as many. A source is done when `beams` of its texts have finished (without a length penalty, when the likeliest
of all has), and leaves the batch. Of its finished texts that with the largest log p/length^penalty is its translation
(Graves 2012, Sequence Transduction with Recurrent Neural Networks, algorithm 1; Wu et al. 2016, section 7, for the
length). CTranslate2 searches in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.generation.candidates import Candidates, best_candidates
from kqv.generation.ensemble import Ensemble, check_ids, one_or_more, padded, translating
from kqv.generation.generate import Ids
from kqv.models.transformer import Transformer

FEW = 16
"""A batch ends early when at most a sixteenth of its sources is not done. These are searched for once more, from the
start, with those of the other batches: a step of few texts costs nearly what one of many does, and a text that does not
end takes steps up to the context."""


@dataclass(frozen=True)
class BeamSearch:
    """How translations are searched for: `beams` texts at a time, with 1 always the most likely token (greedy).

    A text's score is log p/length^length_penalty, where the length counts `</s>`; the `n_best` with the largest are
    given. A translation has at least one token and at most `longest`, `</s>` among them (None: as many as the model's
    context). Raises `Error` for values that make no sense.
    """

    beams: int = 5
    length_penalty: float = 1.0
    n_best: int = 1
    longest: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.beams:
            raise Error(f"expected beams from 1 on and n_best from 1 to beams; got {self.beams} and {self.n_best}")
        if not math.isfinite(self.length_penalty) or self.length_penalty < 0:
            raise Error(f"length_penalty: expected 0 (none) or more, got {self.length_penalty}")
        if self.longest is not None and self.longest < 1:
            raise Error(f"longest: expected at least 1 token, got {self.longest}")


class Hypothesis(NamedTuple):
    """A translation: its ids without `<s>` and `</s>`, its score and log p.

    Both are those of the whole text, `</s>` included. `complete` is false where it was cut at the most tokens that it
    may have: then it has no `</s>`.
    """

    ids: tuple[int, ...]
    score: float
    log_probability: float
    complete: bool = True


def beam_search(
    models: Transformer | Sequence[Transformer],
    sources: Sequence[Ids],
    begin: int,
    end: int,
    how: BeamSearch | None = None,
    *,
    batch_tokens: int = 2048,
    advance: Callable[[int, int], None] | None = None,
    watch: Callable[[Sequence[int]], None] | None = None,
) -> list[list[Hypothesis]]:
    """The `n_best` translations of each source, best first; of several models by the mean of their probabilities.

    Sources end in `end`, as in training; translations begin with `begin`. Sources of like lengths go through the models
    together, up to `batch_tokens` tokens of them, padding included; this changes no translation. `advance(done, all)`
    is called after each batch, `watch(ids)` after each token with the likeliest text so far of a batch's first source
    that is not done.
    Raises `Error` for a source longer than the context or without a token, a `longest` beyond the context, ids out of
    the vocabulary, and models of different vocabularies.
    """
    how, models = how or BeamSearch(), one_or_more(models)
    context = min(model.context for model in models)
    if how.longest is not None and how.longest > context:
        raise Error(f"longest: the model writes at most {context} tokens (its context); got {how.longest}")
    for number, source in enumerate(sources):
        check_ids(models, f"source {number}", source, models[0].source_vocab)
    check_ids(models, "begin and end", (begin, end), models[0].vocab)
    found: dict[int, list[Hypothesis]] = {}

    def search(batch: list[int], leave: int) -> list[int]:
        with translating(models):
            search = _Search(Ensemble(models, [sources[number] for number in batch], end), len(batch), end, how)
            hypotheses = search.run(begin, how.longest or context, leave, watch)
        late = {batch[number] for number in search.alive}
        found.update((number, best) for number, best in zip(batch, hypotheses, strict=True) if number not in late)
        if advance is not None:
            advance(len(found), len(sources))
        return sorted(late)

    batches = _batches(range(len(sources)), sources, batch_tokens)
    late = [number for batch in batches for number in search(batch, len(batch) // FEW if len(batches) > 1 else 0)]
    for batch in _batches(late, sources, batch_tokens):
        search(batch, 0)
    return [found[number] for number in range(len(sources))]


def force(models: Transformer | Sequence[Transformer], source: Ids, target: Ids, begin: int, end: int) -> float:
    """log p of a given translation, whose ids are without `begin` and `end`; its `end` counts.

    Raises `Error` as `beam_search` does.
    """
    models = one_or_more(models)
    check_ids(models, "the source", source, models[0].source_vocab)
    text = [begin, *target, end]
    check_ids(models, "the target", text[:-1], models[0].vocab)
    with translating(models):
        logs = []
        for model in models:
            ids, _ = padded([source], end, model.tokens.weight.device)
            logits = model(ids, torch.tensor([text[:-1]], device=ids.device))
            logs.append(torch.log_softmax(logits[0], -1).cpu())
        mean = torch.stack(logs).logsumexp(0) - math.log(len(logs))
        return float(mean.gather(1, torch.tensor(text[1:])[:, None]).sum())


def _batches(numbers: Iterable[int], sources: Sequence[Ids], tokens: int) -> list[list[int]]:
    """These sources, longest first, as many at a time as have up to so many tokens when padded; at least 1."""
    order = sorted(numbers, key=lambda number: len(sources[number]), reverse=True)
    batches = []
    while order:
        count = max(1, tokens // len(sources[order[0]]))
        batches.append(order[:count])
        order = order[count:]
    return batches


class _Search:
    """The search for the translations of one batch.

    `alive` are the numbers of the sources that are not done; of these `scores[batch, beam]` are the texts' log p
    and `texts[batch·beam, position]` their ids.
    """

    def __init__(self, ensemble: Ensemble, batch: int, end: int, how: BeamSearch) -> None:
        self.ensemble, self.end, self.how = ensemble, end, how
        self.found: list[list[Hypothesis]] = [[] for _ in range(batch)]
        self.alive = list(range(batch))
        self.top_finished = [False] * batch
        self.device = ensemble.readers[0].device
        self.scores = torch.zeros(batch, 1, device=self.device)
        self.texts = torch.empty(batch, 0, dtype=torch.int64, device=self.device)

    def run(
        self, begin: int, longest: int, leave: int, watch: Callable[[Sequence[int]], None] | None = None
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source; it ends early when no more than `leave` are not done."""
        ids = torch.full((len(self.alive),), begin, device=self.device)
        for length in range(1, longest + 1):
            new = self.ensemble.advance(ids)
            if length == 1:
                new[:, self.end] = float("-inf")  # a translation has at least one token
                self.scores = self.scores.to(new.dtype)
            candidates = best_candidates(new, self.scores, 2 * self.how.beams)
            self._finish(candidates, length, length == longest)
            done = [length == longest or self._is_done(number) for number in self.alive]
            left = [at for at, is_done in enumerate(done) if not is_done]
            self.alive = [self.alive[at] for at in left]
            if len(left) <= leave:
                break
            self._go_on(candidates, torch.tensor(left, device=self.device) if any(done) else None)
            ids = self.texts[:, -1]
            if watch is not None:
                watch(self.texts[0].tolist())
        return [
            sorted(found, key=lambda hypothesis: hypothesis.score, reverse=True)[: self.how.n_best]
            for found in self.found
        ]

    def _finish(self, candidates: Candidates, length: int, is_last: bool) -> None:
        """Keep those of the best half that end here; the last time all of it."""
        beams = self.how.beams
        logs = candidates.log_probabilities[:, :beams]
        ending = candidates.tokens[:, :beams] == self.end
        finished = ((ending | is_last) & (logs > float("-inf"))).nonzero()
        if not len(finished):
            return
        at = finished.unbind(1)
        earlier = self.texts[candidates.rows[at]].tolist()
        for (source, rank), ids, log, token in zip(
            finished.tolist(), earlier, logs[at].tolist(), candidates.tokens[at].tolist(), strict=True
        ):
            number, complete = self.alive[source], token == self.end
            text = tuple(ids) if complete else (*ids, token)
            self.found[number].append(Hypothesis(text, log / length**self.how.length_penalty, log, complete))
            self.top_finished[number] |= rank == 0

    def _is_done(self, number: int) -> bool:
        """Without a length penalty: once the likeliest text of all has finished, since nothing can beat it any more."""
        count = len(self.found[number])
        if self.how.length_penalty == 0:
            return self.top_finished[number] and count >= self.how.n_best
        return count >= self.how.beams

    def _go_on(self, candidates: Candidates, left: Tensor | None) -> None:
        """Go on with the best candidates that do not end, of the sources that are `left` (None: of all)."""
        logs, rows, tokens = (part if left is None else part.index_select(0, left) for part in candidates)
        # of equal ones the sort keeps the order: the likeliest stay first
        best = (tokens == self.end).to(torch.uint8).sort(dim=1, stable=True).indices[:, : self.how.beams]
        self.scores = logs.gather(1, best)
        chosen = rows.gather(1, best).flatten()
        self.texts = torch.cat((self.texts.index_select(0, chosen), tokens.gather(1, best).view(-1, 1)), 1)
        self.ensemble.select(chosen, left)
