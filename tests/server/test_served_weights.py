"""A model that is served with smaller weights writes what `kqv generate --weights` writes, whoever asks beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import Small
from test_engine import Heard

from kqv.errors import Error
from kqv.generation.generate import generate
from kqv.generation.predictor import predictor_of
from kqv.generation.sampling import Sampling
from kqv.generation.weights import checked_weights
from kqv.server.engine import Engine
from kqv.server.metrics import Metrics
from kqv.server.service import open_service
from kqv.server.settings import Limits, Settings
from kqv.systems.source import find_model


@pytest.mark.parametrize("weights", ["float16", "bfloat16", "int8"])
def test_it_writes_what_generate_writes(small: Small, weights: str) -> None:
    engine, prompts = Engine(small.model, small.tokenizer, Limits(), weights), [(5,), (5, 6, 7), tuple(range(9, 30))]
    asked = [Heard(engine, ids=ids, seed=3, tokens=20) for ids in prompts]
    engine.start()
    found = [one.text() for one in asked]
    engine.close()
    predictor = predictor_of(small.model, weights)
    for ids, text in zip(prompts, found, strict=True):
        steps = generate(predictor, small.tokenizer, list(ids), 20, Sampling(), 3)
        assert "".join(step.text for step in steps) == text


def test_a_model_that_does_not_write_has_no_smaller_weights(tmp_path: Path) -> None:
    import kqv

    run = kqv.train("digits", layers=1, width=4, steps=1, out=tmp_path / "digits", show=False).run
    settings = Settings("digits", weights=checked_weights("int8"))
    with pytest.raises(Error, match="is of the kind digits; leave --weights out"):
        open_service(find_model(run.path), False, "cpu", settings, Metrics())
