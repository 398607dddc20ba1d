"""A translator's trace: encoder, decoder and cross-attention, every number with its arithmetic, words on the axes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch

from kqv.data.parallel.pairs import ParallelText
from kqv.data.parallel.sentences import make_sentences
from kqv.errors import DataError, Error
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.translation.recipes import LossPlan, TranslationRecipe, numbers_dates
from kqv.systems.translation.task import PADDING, batch_of
from kqv.systems.translation.traced import Words, trace_batch, trace_translation
from kqv.systems.translation.trained import LoadedTranslator, make_transformer
from kqv.systems.translation.vocabularies import Vocabularies
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attended, attentions, axis_words
from kqv.trace.views.words import visible
from kqv.training.launch import make_optimizer

PAIRS = (("ein Hund", "a dog"), ("zwei Hunde", "two dogs"), ("der Hund ist da", "the dog is there"))
TEXT = ParallelText("pairs", "de", "en", PAIRS, PAIRS[:1], PAIRS[:1])
HEADS, WIDTH, BLOCKS = 2, 8, 2
SENTENCE, TRANSLATION = "ein Hund", "a dog is there"

SMALL = TranslatorArchitecture(
    context=24, width=WIDTH, heads=HEADS, hidden=12, encoder_blocks=BLOCKS, decoder_blocks=BLOCKS, dropout=0.0
)
FORMS: dict[str, tuple[TranslatorArchitecture, LossPlan]] = {
    "post-norm, as published": (SMALL, LossPlan(smoothing=0.1)),
    "pre-norm": (replace(SMALL, block="pre-norm"), LossPlan()),
    "two vocabularies": (replace(SMALL, tables="separate"), LossPlan(smoothing=0.2)),
    "two vocabularies, tied": (replace(SMALL, tables="tied", block="pre-norm"), LossPlan(smoothing=0.1)),
    "modern parts": (
        replace(SMALL, positions="rotary", block="pre-norm", norm="rms", feed_forward="swiglu", bias=False),
        LossPlan(smoothing=0.1),
    ),
}  # fmt: skip


@dataclass
class Traced:
    """A traced pair, and what it must agree with."""

    trace: Trace
    words: Words
    loaded: LoadedTranslator
    before: dict[str, torch.Tensor]


def make_loaded(architecture: TranslatorArchitecture, loss: LossPlan) -> LoadedTranslator:
    """A translator without training, whose weights are large enough that every part does something."""
    base = numbers_dates()
    recipe: TranslationRecipe = base.model_copy(update={"model": architecture, "loss": loss})
    kind = "bpe" if architecture.tables == "shared" else "characters"
    vocabularies = Vocabularies(*make_sentences(TEXT, kind, 270, architecture.tables == "shared"))
    torch.manual_seed(3)
    model = make_transformer(recipe, vocabularies)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return LoadedTranslator(model.eval(), vocabularies, recipe)


@pytest.fixture(scope="module", params=FORMS)
def traced(request: pytest.FixtureRequest) -> Traced:
    """A sentence and a translation of it: forward, backward and update."""
    loaded = make_loaded(*FORMS[request.param])
    before = {name: parameter.detach().clone() for name, parameter in loaded.model.named_parameters()}
    optimizer = make_optimizer(loaded.model, loaded.recipe.training)
    trace, words = trace_translation(loaded, SENTENCE, TRANSLATION, optimizer)
    return Traced(trace, words, loaded, before)


def shape_of(record: TensorRecord) -> dict[str, int]:
    return dict(zip(record.dimensions, record.sizes, strict=True))


def activations(trace: Trace) -> list[TensorRecord]:
    return [record for record in trace if record.kind == "activation"]


ATTENTIONS = {
    "encoder.blocks.{}.attention": ("source", "source"),
    "decoder.blocks.{}.attention": ("given", "given"),
    "decoder.blocks.{}.cross_attention": ("given", "source"),
}


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("module", ATTENTIONS)
def test_the_three_attentions_have_named_dimensions_and_gradients(traced: Traced, module: str, block: int) -> None:
    asking, asked = (len(getattr(traced.words, side)) for side in ATTENTIONS[module])
    assert asking != asked or module != "decoder.blocks.{}.cross_attention", "so that they can be told apart"
    pairs = {"batch": 1, "head": HEADS, "query": asking, "key": asked}
    channels = {"batch": 1, "head": HEADS, "channel": WIDTH // HEADS}
    expected = {
        "queries": {**channels, "query": asking}, "keys": {**channels, "key": asked},
        "values": {**channels, "key": asked}, "scores": pairs, "weights": pairs,
        "mixed": {**channels, "query": asking}, "output": {"batch": 1, "position": asking, "model": WIDTH},
    }  # fmt: skip
    for name, shape in expected.items():
        record = traced.trace[f"{module.format(block)}.{name}"]
        assert shape_of(record) == shape, record.name
        assert record.gradient is not None, record.name
        assert record.gradient.shape == record.value.shape
        assert record.value.abs().max() > 0
    weights = traced.trace[f"{module.format(block)}.weights"].value[0]
    torch.testing.assert_close(weights.sum(-1), torch.ones(HEADS, asking))
    sees_the_future = bool(weights.triu(1).any())
    assert sees_the_future == (".attention" not in module or module.startswith("encoder"))


WITHOUT_GRADIENT = {"source_ids", "ids", "targets", "positions", "position_vectors", "allowed", "verdict", "given"}


def test_every_tensor_has_a_value_named_dimensions_and_a_gradient(traced: Traced) -> None:
    found = activations(traced.trace)
    assert sum(record.name.startswith("encoder.") for record in found) > 20
    assert sum(record.name.startswith("decoder.") for record in found) > 40
    for record in found:
        last = record.name.rpartition(".")[2].partition("#")[0]
        assert len(record.dimensions) == len(record.sizes), record.name
        assert tuple(record.value.shape) == record.sizes
        if last not in WITHOUT_GRADIENT and record.value.is_floating_point():
            assert record.gradient is not None or last in {"cosines", "sines", "angles"}, record.name
        if record.producer is not None and last != "positions":
            explanation = traced.trace.explain(record.cell_at(0))
            assert explanation.expression is not None or record.origin in {"arange", "tril", "ones"}, record.name
    for name, parameter in traced.loaded.model.named_parameters():
        assert traced.trace[name].gradient is not None, name
        assert traced.trace[name].value.equal(traced.before[name]), name
        assert not parameter.detach().equal(traced.before[name]), name


def random_cells(trace: Trace, phase: str, count: int) -> Iterator[str]:
    chance = random.Random(2)
    for record in trace:
        if (phase == "grad:" and record.gradient is None) or (phase == "update:" and record.name not in trace.updates):
            continue
        for _ in range(count):
            position = ",".join(str(chance.randrange(size)) for size in record.sizes)
            yield f"{phase}{record.name}[{position}]" if position else phase + record.name


@pytest.mark.parametrize("phase", ["", "grad:", "update:"])
def test_shown_arithmetic_agrees_with_recorded_values(traced: Traced, phase: str) -> None:
    cells = list(random_cells(traced.trace, phase, 2))
    parts = {"encoder.blocks.1.attention", "decoder.blocks.1.attention", "decoder.blocks.1.cross_attention"}
    assert all(any(cell.startswith(f"{phase}{part}.") for cell in cells) for part in parts)
    for cell in cells:
        explanation = traced.trace.cell(cell)
        assert explanation.agrees, f"{cell}: {explanation.text(100)}"
        if phase and "given" not in explanation.heading:
            assert explanation.expression is not None, cell


def test_gradients_and_cost_are_those_of_a_pass_without_a_trace(traced: Traced) -> None:
    loaded = make_loaded(traced.loaded.recipe.model, traced.loaded.recipe.loss)
    model: Transformer = loaded.model
    source, target = loaded.vocabularies.source.encode(SENTENCE), loaded.vocabularies.target.encode(TRANSLATION)
    batch = batch_of([(source, target)], torch.device("cpu"))
    logits = model(batch.source, batch.given, batch.present)
    smoothing = loaded.recipe.loss.smoothing
    loss = torch.nn.functional.cross_entropy(logits[0], batch.targets[0], label_smoothing=smoothing)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    torch.testing.assert_close(traced.trace["cost"].value, loss.detach(), atol=1e-6, rtol=1e-6)
    for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
        recorded = traced.trace[name].gradient
        assert recorded is not None
        torch.testing.assert_close(recorded, gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_words_stand_on_the_axes(traced: Traced) -> None:
    trace, words = traced.trace, traced.words
    vocabularies = traced.loaded.vocabularies
    source = [visible(vocabularies.source.token_text(int(t))) for t in vocabularies.source.encode(SENTENCE)]
    target = [visible(vocabularies.target.token_text(int(t))) for t in vocabularies.target.encode(TRANSLATION)]
    assert (words.source, words.targets, words.given) == (source, target, ["<s>", *target[:-1]])
    assert source[-1] == target[-1] == "</s>"
    for module, (asking, asked) in ATTENTIONS.items():
        for block in range(BLOCKS):
            for name in ("scores", "weights"):
                record = trace[f"{module.format(block)}.{name}"]
                assert axis_words(trace, record, "query") == tuple(getattr(words, asking)), record.name
                assert axis_words(trace, record, "key") == tuple(getattr(words, asked)), record.name
            for name, dimension, side in (
                ("queries", "query", asking), ("keys", "key", asked), ("values", "key", asked)
            ):  # fmt: skip
                record = trace[f"{module.format(block)}.{name}"]
                assert axis_words(trace, record, dimension) == tuple(getattr(words, side)), record.name
    assert axis_words(trace, trace["encoder.blocks.0.output"], "position") == tuple(source)
    assert axis_words(trace, trace["decoder.blocks.0.output"], "position") == tuple(words.given)
    assert axis_words(trace, trace["source_vectors"], "source") == tuple(source)
    assert axis_words(trace, trace["logits"], "position") == tuple(words.given)
    vocabulary = axis_words(trace, trace["logits"], "vocab")
    assert vocabulary[int(trace["targets"].value[0, 0])] == target[0]


def test_scores_lead_back_to_the_texts_that_they_come_from(traced: Traced) -> None:
    def positions(cell: str, ids: str) -> set[int]:
        return {found.index[1] for found in traced.trace.walk_back(cell) if found.name == ids}

    encoder, decoder = "encoder.blocks.0.attention.scores[0,0,1,0]", "decoder.blocks.0.attention.scores[0,0,1,0]"
    assert (positions(encoder, "source_ids"), positions(encoder, "ids")) == ({0, 1}, set())
    assert (positions(decoder, "source_ids"), positions(decoder, "ids")) == (set(), {0, 1})
    for name in ("queries", "keys", "values"):
        end = traced.trace.path_to_input(f"decoder.blocks.1.cross_attention.{name}[0,0,0,0]")[-1].cell.name
        assert end.rpartition(".")[2] in {"ids", "source_ids", "positions"}, name


def test_a_sentence_of_a_padded_batch_is_traced_as_alone() -> None:
    loaded = make_loaded(*FORMS["post-norm, as published"])
    pairs = loaded.vocabularies.encode([(SENTENCE, "a dog"), (f"{SENTENCE} {SENTENCE} da", TRANSLATION)])
    batch = batch_of(pairs, torch.device("cpu"))
    assert batch.present is not None
    assert (batch.targets == PADDING).any()
    trace = trace_batch(loaded.model, batch, 0.1)
    for phase in ("", "grad:"):
        for cell in random_cells(trace, phase, 2):
            explanation = trace.cell(cell)
            assert explanation.agrees, f"{cell}: {explanation.text(100)}"
    own = len(pairs[0][0])
    for module in ("encoder.blocks.1.attention", "decoder.blocks.1.cross_attention"):
        assert not trace[f"{module}.weights"].value[0, :, :, own:].any(), "nothing looks at padding"
    alone = trace_batch(make_loaded(*FORMS["post-norm, as published"]).model, batch_of(pairs[:1], torch.device("cpu")))
    length = len(pairs[0][1])
    torch.testing.assert_close(trace["logits"].value[0, :length], alone["logits"].value[0], atol=1e-5, rtol=1e-5)


def test_in_training_mode_masks_are_recorded() -> None:
    loaded = make_loaded(replace(SMALL, dropout=0.3), LossPlan())
    trace, _ = trace_translation(loaded, SENTENCE, TRANSLATION, training=True)
    for module in ("encoder.blocks.0.attention", "decoder.blocks.1.cross_attention"):
        assert 0 < trace[f"{module}.weights_dropout.mask"].value.double().mean() < 1
    for phase in ("", "grad:"):
        for cell in random_cells(trace, phase, 1):
            assert trace.cell(cell).agrees, cell


def test_what_a_word_attends_to(traced: Traced) -> None:
    """Of a word that is read the encoder's heads are shown, of one that is written the decoder's, of both texts."""
    trace = traced.trace
    read = attended(trace, "Hund" if "Hund" in "".join(traced.words.source) else "H")
    encoders = {f"encoder.blocks.{block}.attention" for block in range(BLOCKS)}
    assert {row.attention.module for row in read.rows} == encoders
    written = attended(trace, "dog")
    expected = {
        f"decoder.blocks.{block}.{part}" for block in range(BLOCKS) for part in ("attention", "cross_attention")
    }
    assert {row.attention.module for row in written.rows} == expected
    for row in written.rows:
        weights = trace[f"{row.attention.module}.weights"].value[0, row.head, row.query]
        assert row.weight == pytest.approx(float(weights[list(row.keys)].sum()), abs=1e-6)
    for head in written.by_head:
        assert sum(row.weight for row in written.of_head(head)) == pytest.approx(1, abs=1e-5)
    text = written.text(100)
    assert "decoder.blocks.0.cross_attention" in text
    assert len(attentions(trace)) == 3 * BLOCKS


def test_a_word_of_another_text_at_the_same_position_is_not_the_word_itself(traced: Traced) -> None:
    found = attended(traced.trace, "dog")
    crossing = [row for row in found.by_head if row.attention.module.endswith("cross_attention")]
    assert len(crossing) == BLOCKS * HEADS
    for row in crossing:
        assert row.weight == max(other.weight for other in found.of_head(row)), "the strongest is shown"
    assert any(row.is_itself for row in found.rows)
    assert not any(row.is_itself or row.rests for row in found.rows if not row.attention.is_of_one_text)


def test_what_cannot_be_traced_is_refused() -> None:
    loaded = make_loaded(*FORMS["two vocabularies"])
    for sentence, translation, error, why in (
        ("", "a dog", Error, "a traced sentence has 2 to 24 tokens, but this one has 1"),
        ("ein Hund", "", Error, "a traced translation has 2 to 24 tokens, but this one has 1"),
        ("ein Hund " * 5, "a", Error, "a traced sentence has 2 to 24 tokens, but this one has 46"),
        ("ein ☃", "a", DataError, "does not have '☃'"),
    ):
        with pytest.raises(error, match=why):
            trace_translation(loaded, sentence, translation)
