"""The twins of the translator: the same numbers as kqv's model, a beam search that finds the same, a whole training."""

from __future__ import annotations

import gzip
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import translation_training  # noqa: E402
from benchmarks.machine import interval, processor  # noqa: E402
from benchmarks.plain_translation import batches_of, byte_pairs, learning_rate, mean_weights  # noqa: E402
from benchmarks.plain_translator import beam_search  # noqa: E402
from benchmarks.translation_step import alike, compare, our_loss, plain_loss, plain_twin, random_batch  # noqa: E402
from kqv.errors import Error  # noqa: E402
from kqv.generation.beam_search import BeamSearch  # noqa: E402
from kqv.generation.beam_search import beam_search as our_search  # noqa: E402
from kqv.models.transformer import Transformer  # noqa: E402
from kqv.models.translator_architecture import TranslatorArchitecture  # noqa: E402

VOCAB = 23


def architecture(block: str = "pre-norm", dropout: float = 0.0) -> TranslatorArchitecture:
    return TranslatorArchitecture(
        context=32, width=16, heads=4, hidden=24, encoder_blocks=2, decoder_blocks=2, dropout=dropout,
        attention_dropout=0.0, block=block,
    )  # fmt: skip


def translator(block: str = "pre-norm") -> Transformer:
    torch.manual_seed(1)
    model = Transformer(VOCAB, None, architecture(block))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("block", ["pre-norm", "post-norm"])
def test_the_twin_of_a_step_has_the_same_loss_and_gradients(block: str) -> None:
    ours = translator(block)
    plain = plain_twin(ours)
    batch = random_batch(VOCAB, 60, 10, torch.Generator().manual_seed(3))
    assert batch.present is not None
    losses = our_loss(ours, batch), plain_loss(plain, batch)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-5)
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
    compared = set()
    for own, theirs in alike(ours, plain):
        gradient = torch.cat([one.grad for one in own if one.grad is not None])
        assert theirs.grad is not None
        torch.testing.assert_close(gradient, theirs.grad, rtol=1e-4, atol=1e-5)
        compared |= {id(theirs)}
    assert compared == {id(parameter) for parameter in plain.parameters()}


def test_both_drop_as_much() -> None:
    ours = Transformer(VOCAB, None, architecture(dropout=0.5))
    plain = plain_twin(ours)
    batch = random_batch(VOCAB, 60, 10, torch.Generator().manual_seed(3))

    def drops(model: torch.nn.Module, run: object) -> int:
        assert callable(run)
        with torch.profiler.profile() as profile:
            run()
        names = [event.name for event in profile.events()]
        return sum(name in ("Dropout", "aten::dropout") for name in names)

    inactive = 4 * 2  # PyTorch calls dropout inside the feed-forward parts too, with a probability of 0
    theirs = drops(plain, lambda: plain_loss(plain, batch))
    assert drops(ours, lambda: our_loss(ours, batch)) == theirs - inactive // 2 == 12


def test_the_plain_beam_search_finds_what_ours_finds() -> None:
    ours = translator().eval()
    plain = plain_twin(ours).eval()
    chance = torch.Generator().manual_seed(4)
    rows = [[*torch.randint(2, VOCAB, (length,), generator=chance).tolist(), 1] for length in (3, 7, 5, 4)]
    source = torch.tensor([row + [1] * (8 - len(row)) for row in rows])
    padding = torch.tensor([[position >= len(row) for position in range(8)] for row in rows])
    found = beam_search(plain, source, padding, 0, 1, beams=3, longest=12)
    wanted = our_search(ours, rows, 0, 1, BeamSearch(3, 1.0, longest=12))
    for ids, hypotheses in zip(found, wanted, strict=True):
        assert ids == list(hypotheses[0].ids)


def test_a_step_is_measured_against_its_twin() -> None:
    found = compare(architecture(dropout=0.3), VOCAB, 60, 10, "muon", "bfloat16", repetitions=2, warm_up=0)
    low, high = found["interval_processor"]
    assert 0 < low <= found["ratio_processor"] <= high
    assert found["processor"] == processor() != ""


def test_the_interval_of_a_median_holds_it_and_shrinks() -> None:
    chance = random.Random(1)
    values = [chance.gauss(1.0, 0.1) for _ in range(400)]
    few, many = interval(values[:20]), interval(values)
    assert few[1] - few[0] > many[1] - many[0] > 0
    assert many[0] < 1.0 < many[1]


def test_batches_hold_every_pair_once_and_no_more_tokens_than_allowed() -> None:
    chance = random.Random(2)
    pairs = [([5] * chance.randint(1, 9), [6] * chance.randint(1, 9)) for _ in range(50)]
    batches = batches_of(pairs, 20)
    assert sorted(number for batch in batches for number in batch) == list(range(50))
    for batch in batches:
        assert len(batch) * max(len(side) for number in batch for side in pairs[number]) <= 20


def test_the_learning_rate_is_that_of_the_paper() -> None:
    assert learning_rate(1, 0.005, 2000) == pytest.approx(0.005 / 2000)
    assert learning_rate(2000, 0.005, 2000) == pytest.approx(0.005)
    assert learning_rate(8000, 0.005, 2000) == pytest.approx(0.0025)


def test_words_are_cut_and_joined_again() -> None:
    sentences = ["ein mann läuft .", "ein hund läuft schnell .", "a man runs ."]
    tokenizer = byte_pairs(sentences, 40)
    for sentence in sentences:
        assert tokenizer.decode(tokenizer.encode(sentence).ids) == sentence
    assert tokenizer.encode("läuft").tokens[-1].endswith("</w>")


def test_weights_are_averaged() -> None:
    kept: list[dict[str, Tensor]] = [{"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0, 6.0])}]
    assert mean_weights(kept)["a"].tolist() == [2.0, 4.0]


def test_the_whole_training_learns_to_copy(tmp_path: Path) -> None:
    chance = random.Random(3)
    for split, quantity in (("train", 200), ("val", 20), ("test_2016_flickr", 20)):
        lines = "".join(" ".join(chance.choices("abcdef", k=chance.randint(2, 5))) + "\n" for _ in range(quantity))
        for language in ("en", "de"):
            with gzip.open(tmp_path / f"{split}.lc.norm.tok.{language}.gz", "wt") as file:
                file.write(lines)
    sizes = {"layers": 1, "model": 32, "hidden": 32, "heads": 2, "vocab": 40, "batch": 400, "updates": 120}
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    words += ["--warm-up", "20", "--rate", "0.01", "--dropout", "0", "--out", str(tmp_path / "found.txt")]
    found = translation_training.twin(tmp_path, 1, 0.0, 1, words)
    assert found["updates"] == 120
    assert found["bleu"] > 50
    assert "tok:none" in found["signature"]
    assert len((tmp_path / "found.txt").read_text().splitlines()) == 20


@pytest.mark.parametrize("block", ["pre-norm", "post-norm"])
def test_transformers_has_the_same_model(block: str) -> None:
    pytest.importorskip("transformers")
    from benchmarks.translation_decoding import transformers_of

    ours = translator(block).eval()
    theirs = transformers_of(ours)
    source = torch.tensor([[5, 7, 9, 3, 1], [8, 4, 1, 0, 0]])
    target = torch.tensor([[0, 4, 6, 9], [0, 3, 2, 5]])
    present = source != 0
    with torch.no_grad():
        logits = ours(source, target, present)
        first = theirs(input_ids=source, attention_mask=present.long(), decoder_input_ids=target[:, :1])
        cached = theirs(
            encoder_outputs=(first.encoder_last_hidden_state,), attention_mask=present.long(),
            decoder_input_ids=target[:, 1:2], past_key_values=first.past_key_values,
        )  # fmt: skip
    torch.testing.assert_close(first.logits, logits[:, :1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(cached.logits, logits[:, 1:2], rtol=1e-4, atol=1e-4)


def test_transformers_refuses_what_it_lacks() -> None:
    pytest.importorskip("transformers")
    from benchmarks.translation_decoding import transformers_of

    learned = replace(architecture(), positions="learned")
    with pytest.raises(Error, match="sinusoidal"):
        transformers_of(Transformer(VOCAB, None, learned))


def test_a_training_of_kqv_is_read_from_its_metrics_and_its_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(words: list[str]) -> dict[str, object]:
        if "evaluate" in words:
            return {"bleu_tokenised": 41.5, "signatures": {"bleu_tokenised": "tok:none"}}
        out = Path(words[words.index("--out") + 1])
        out.mkdir()
        lines = [{"step": step, "seconds": step * step / 100, "loss": 3.0} for step in (1, 2, 3, 5)]
        (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return {"validation_loss": 2.5}

    monkeypatch.setattr(translation_training, "timed", timed)
    found = translation_training.ours("multi30k-en-de", 7, 0.0, [])
    assert (found["bleu"], found["loss"], found["signature"]) == (41.5, 2.5, "tok:none")
    assert found["step_ms"] == pytest.approx(50)  # the median of 30, 50 and 80
    assert translation_training.shown(found["step_ms"]) == "50.00"
