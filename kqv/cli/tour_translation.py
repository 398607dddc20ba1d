"""The tour's second stage: a Transformer learns to translate numbers, and shows where it looks for each character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kqv.cli.console import console, counted, say_commands, shown
from kqv.cli.progress import TrainingDisplay, waiting
from kqv.cli.tour_display import heading, show_shapes
from kqv.data.parallel.load import load_parallel
from kqv.plots.cross_attention import cross_attentions
from kqv.systems.translation.recipes import TranslationRecipe, numbers_dates
from kqv.systems.translation.start import prepare_new
from kqv.systems.translation.traced import trace_translation
from kqv.systems.translation.trained import LoadedTranslator, load_translator
from kqv.systems.translation.translating import translate_sentences
from kqv.training import launch
from kqv.training.devices import choose_device
from kqv.training.distributed import Group
from kqv.training.run import Run, new_path

if TYPE_CHECKING:
    from torch import Tensor

    from kqv.data.parallel.pairs import Pair
    from kqv.trace.trace import Trace
    from kqv.trace.views.attention import Attention

MINUTES = 0.75
BATCH = 512  # tokens, as in the recipe
SENTENCE = "einundzwanzig"  # of the test set, so never seen in training
RIGHT = "twenty-one"
SCORED = 200  # sentences of the test set
SHOWN_PAIRS = 6
LONGEST = 30  # characters of what is shown
SHADES = " ░▒▓█"
BLOCK = "decoder.blocks.1."

SHOWN = {
    "source_ids": "German characters, by their numbers",
    "source_vectors": "a learned row for each",
    "encoder.normed": "the encoder: each has read all the German",
    "ids": "the English so far, <s> before it",
    f"{BLOCK}cross_attention.queries": "what each English position looks for",
    f"{BLOCK}cross_attention.keys": "what each German one is found by",
    f"{BLOCK}cross_attention.weights": "who looks at whom: each row adds up to 1",
    "logits": "one number for each character that may come",
    "cost": "surprise at the characters that do come",
}
"""Tensors of the pass that the tour shows, with what they are."""


def stage() -> Run:
    """Train on the embedded numbers and dates for less than a minute, translate unseen ones, and show the crossing."""
    heading("6", "From pictures to sentences")
    with waiting("writing German and English numbers and dates"):
        text = load_parallel("numbers-dates")
    console.print(
        "A Transformer is the same again: numbers times weights, a cost, and backpropagation. One half, the encoder, "
        "reads German; the other half, the decoder, writes English, character by character. What they learn from:\n"
    )
    _pairs(short(text.train))
    console.print(f"\n{len(text.train):,} such pairs; none of the {len(text.test):,} that test it is among them.")
    display = TrainingDisplay(unit="tokens")
    with waiting(f"measuring how many steps fit into {60 * MINUTES:.0f} seconds"):
        group = Group(device=choose_device("cpu"))
        run, trainer = launch.start(
            lambda: prepare_new(_recipe(), text, group), new_path("tour-translation"), group, minutes=MINUTES,
            listener=display,
        )  # fmt: skip

    heading("7", "Two texts, and their shapes")
    console.print(
        "Each English position asks the German ones, and takes from those whose key meets its query: that is "
        f"cross-attention, here of {BLOCK[:-1]}.\n"
    )
    show_shapes(trace_translation(load_translator(run), SENTENCE, RIGHT)[0], SHOWN, BLOCK)

    heading("8", "Learning to translate")
    console.print(f"{counted(trainer.steps, 'step')} of up to {BATCH:,} characters of either language.")
    with display:
        result = trainer.train()
    loaded = load_translator(run)
    console.print(f"{counted(result.step, 'step')} in {result.seconds:.1f} s. Sentences that it never saw:\n")
    right = _translated(loaded, text.test)
    console.print(f"\n[bold]{100 * right / SCORED:.0f} %[/] of {SCORED} such come out right to the last character.")
    heading("9", "Where it looks")
    _next(run, _crossing(loaded))
    return run


def short(pairs: Sequence[Pair]) -> list[Pair]:
    """The first few pairs that fit side by side on a narrow screen."""
    return [pair for pair in pairs if max(map(len, pair)) <= LONGEST][:SHOWN_PAIRS]


def sharpest(trace: Trace) -> Attention:
    """The decoder's block whose positions look most at one character each, its heads averaged."""
    return max(cross_attentions(trace), key=lambda one: float(one.weights.mean(0).amax(-1).mean()))


def picture(weights: Tensor, rows: Sequence[str], columns: Sequence[str]) -> str:
    """Weights `[query, key]` as shades, two characters for each, with what each row looks at most."""
    wide = max(map(len, rows))
    named = [column if len(column) == 1 else "⏎" for column in columns]
    lines = [" " * (wide + 2) + "".join(f"{name:2}" for name in named) + " looks most at"]
    for row, values in zip(rows, weights, strict=True):
        shades = "".join(2 * SHADES[min(4, int(5 * value))] for value in values.tolist())
        key = int(values.argmax())
        lines.append(f"{row:>{wide}}  {shades} {named[key]} {100 * float(values[key]):3.0f} %")
    return "\n".join(lines)


def _recipe() -> TranslationRecipe:
    recipe = numbers_dates()
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"batch": BATCH})})


def _pairs(pairs: Sequence[Pair]) -> None:
    wide = max(len(source) for source, _ in pairs)
    for source, target in pairs:
        console.print(f"  {source:{wide}}  →  {target}", markup=False, style="dim")


def _translated(loaded: LoadedTranslator, pairs: Sequence[Pair]) -> int:
    """Translate the first test sentences, show a few short ones; how many of all are right."""
    scored = pairs[:SCORED]
    how = loaded.search(beams=1)
    with waiting(f"translating {SCORED} sentences"):
        found = translate_sentences([loaded.model], loaded.vocabularies, [source for source, _ in scored], how)
    said = dict(zip(scored, (best[0].text for best in found), strict=True))
    few = short(scored)
    wide, far = max(len(source) for source, _ in few), max(len(said[pair]) for pair in few)
    for pair in few:
        source, target = pair
        mark = "" if said[pair] == target else f"right is {target}"
        console.print(f"  {source:{wide}}  →  {said[pair]:{far}}  {mark}".rstrip(), markup=False)
    return sum(said[pair] == pair[1] for pair in scored)


def _crossing(loaded: LoadedTranslator) -> str:
    """Show the cross-attention of one sentence, and one number of it; gives the number's cell."""
    own = loaded.translate(SENTENCE)
    console.print(f"{SENTENCE} → [bold]{shown(own)}[/]" + ("" if own == RIGHT else f" (right is {RIGHT})"))
    console.print(
        "\nGerman says the one before the twenty, so the eyes have to cross. Each row is a character of "
        f"{RIGHT} that the decoder is to say, each column one that the encoder read; ⏎ is the end:\n"
    )
    trace, words = trace_translation(loaded, SENTENCE, RIGHT)
    attention = sharpest(trace)
    weights = attention.weights.mean(0)
    rows = [word if len(word) == 1 else "⏎" for word in words.targets]
    console.print(picture(weights, rows, words.source), markup=False)
    console.print(f"\nThese are the weights of {attention.module}, the mean of its {attention.heads} heads.")
    head, key = divmod(int(attention.weights[:, 0].argmax()), attention.weights.shape[-1])
    cell = attention.cell(head, 0, key)
    console.print(f"\nOne of them: how much head {head} looks at the {words.source[key]!r} when it begins:\n")
    console.print(trace.cell(cell).text(console.width), markup=False)
    return cell


def _next(run: Run, cell: str) -> None:
    heading("→", "What to try next")
    say_commands({
        f"kqv translate {run.path} siebenundvierzig": "a number of your own",
        f"kqv translate {run.path} {SENTENCE} --attention crossing.png": "the crossing as a picture, of each block",
        f"kqv trace {run.path} {SENTENCE} --label {RIGHT} --cell '{cell}'": "the number above",
        f"kqv evaluate {run.path}": "BLEU and exact matches of the whole test set",
        "kqv train translate": "the whole training",
        "kqv train translate --data a.de,a.en": "your own pairs of sentences",
    })  # fmt: skip
