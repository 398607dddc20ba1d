"""Recipes of translation: all that makes a run, typed, frozen, validated, each made by a named function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from pydantic import ConfigDict, Field, PositiveInt, ValidatorFunctionWrapHandler, field_validator, model_validator

from kqv.data.parallel.pairs import Form
from kqv.errors import Error
from kqv.models.translator_architecture import TRANSFORMER_SIZES, TranslatorArchitecture
from kqv.systems.changes import Changes
from kqv.training.plans import DataPlan, Plan, Recipe, TrainingPlan


class SearchPlan(Plan):
    """How the model translates unless it is told: with how many beams, and which length penalty."""

    beams: PositiveInt = 5
    length_penalty: float = Field(default=1.0, ge=0)


class Teacher(Plan):
    """A run that another one learns from: its name as it was given, its identity, and a fingerprint of its weights."""

    name: str
    identity: str | None = None
    weights: str | None = None


class TeachingPlan(Plan):
    """Sequence-level distillation (Kim and Rush 2016): the training sentences are translated by `teachers` together,
    and these translations are trained on; as `also_originals`, on the data's own too, which makes twice as many pairs.

    `search`: how they search (None: as the first one's recipe says). A run remembers how many translations are the
    data's `own`, since the teachers' were cut off or empty, and the checksum of all.
    """

    teachers: tuple[Teacher, ...] = Field(min_length=1)
    also_originals: bool = False
    search: SearchPlan | None = None
    own: int = 0
    sha256: str = ""

    @field_validator("teachers", mode="before")
    @classmethod
    def _by_their_names(cls, given: object) -> object:
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list | tuple):
            return given
        return tuple({"name": one} if isinstance(one, str) else one for one in names)


class PairsPlan(DataPlan):
    """Which pairs, in which direction, and how they become tokens.

    `name`: a set, a TSV, or two files with a comma between. `source`, `target`: languages (None: as the data has them).
    `quantity`: of generated pairs, how many. `vocab`: tokens of a trained vocabulary, `joint` for both languages.
    `bucket_width`: pairs whose lengths differ by less than so many tokens come into one batch; wide buckets mix kinds
    of sentences, narrow ones save padding.
    `bpe_dropout`: with which probability a pair of tokens stays apart in training (Provilkov et al. 2020).
    `teacher`: whose translations are trained on, instead of the data's own; a run's name, or several, will do.
    """

    name: str
    source: str | None = None
    target: str | None = None
    form: Form = "raw"
    quantity: PositiveInt | None = None
    tokenizer: Literal["characters", "bytes", "bpe"] = "bpe"
    vocab: PositiveInt | None = None
    joint: bool = True
    bucket_width: PositiveInt = 2
    bpe_dropout: float = Field(default=0.0, ge=0, lt=1)
    teacher: TeachingPlan | None = None

    @field_validator("teacher", mode="before")
    @classmethod
    def _teacher_by_name(cls, given: object) -> object:
        return {"teachers": given} if isinstance(given, str | list | tuple) else given


class LossPlan(Plan):
    """What training lowers. `smoothing`: how much of each target's 1 is spread over the vocabulary (Vaswani et al.
    2017, 5.4). `r_drop`: each pair is read twice, with other dropout masks, and so many times the divergence of what
    the two passes say is added to their mean cost:

        C = ½·(C₁ + C₂) + r_drop·½·(KL(p‖q) + KL(q‖p))

    That is half of R-Drop's loss with α = 2·r_drop (Liang et al. 2021, eq. 2 to 4); a step takes about twice the time.
    """

    smoothing: float = Field(default=0.0, ge=0, lt=1)
    r_drop: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class TranslationRecipe(Recipe):
    """A translator: pairs, an encoder-decoder, how it is trained, and how it searches."""

    model_config = ConfigDict(extra="forbid")

    system: Literal["translate"] = "translate"
    name: str
    model: TranslatorArchitecture
    data: PairsPlan
    loss: LossPlan = LossPlan()
    search: SearchPlan = SearchPlan()
    training: TrainingPlan

    @property
    def untaught(self) -> TranslationRecipe:
        """The recipe without a teacher."""
        return self.model_copy(update={"data": self.data.model_copy(update={"teacher": None})})

    @model_validator(mode="after")
    def _passes_differ(self) -> TranslationRecipe:
        if self.loss.r_drop and not (self.model.dropout or self.model.attention_dropout):
            raise ValueError("r_drop compares two passes that dropout makes different, but the model has no dropout")
        return self

    @field_validator("model", mode="wrap")
    @classmethod
    def _read_architecture(cls, content: object, handler: ValidatorFunctionWrapHandler) -> TranslatorArchitecture:
        try:
            return handler(content)  # type: ignore[no-any-return]
        except Error as failure:
            raise ValueError(str(failure)) from None


def numbers_dates() -> TranslationRecipe:
    """German numbers, dates, times and amounts to English, character by character, in about a minute."""
    return TranslationRecipe(
        name="numbers-dates",
        model=TranslatorArchitecture(
            context=128, width=64, heads=4, hidden=256, encoder_blocks=1, decoder_blocks=2, dropout=0.0,
            block="pre-norm",
        ),
        data=PairsPlan(name="numbers-dates", tokenizer="characters", bucket_width=12),
        search=SearchPlan(length_penalty=0.0),  # there is one right answer, so the likeliest one is wanted
        training=TrainingPlan(
            optimizer="muon", learning_rate=0.01, adamw_learning_rate=0.0015, momentum=0.85, betas=(0.9, 0.98),
            schedule="trapezoid", decay=0.5, warm_up=20, batch=512, steps=3600, evaluate_every=1800,
        ),
    )  # fmt: skip


def _small(name: str, data: PairsPlan, width: int, epochs: float) -> TranslationRecipe:
    return TranslationRecipe(
        name=name,
        model=TranslatorArchitecture(
            context=256, width=width, heads=4, hidden=2 * width, encoder_blocks=4, decoder_blocks=4, dropout=0.3,
            attention_dropout=0.0, block="pre-norm",
        ),
        data=data,
        loss=LossPlan(smoothing=0.1),
        training=TrainingPlan(
            optimizer="muon", learning_rate=0.01, adamw_learning_rate=0.0015, betas=(0.9, 0.98), schedule="trapezoid",
            decay=0.7, warm_up=400, batch=2048, epochs=epochs, average="ema", keep_best=True, best_by="bleu",
        ),
    )  # fmt: skip


def _multi30k(source: str, target: str, vocab: int = 4096) -> PairsPlan:
    return PairsPlan(name="multi30k", source=source, target=target, form="tokenised", vocab=vocab)


OWN_PAIRS = "translate"
"""The recipe for pairs that have none of their own."""

MINUTES = 5.0
"""How long it trains, unless it is told."""

BYTES_FOR_A_TOKEN = 800
SMALLEST, LARGEST = 512, 16_384  # vocabularies
MOST_EPOCHS = 80.0
FEW_PAIRS = 100_000  # up to which a text is seen so often that much dropout pays


def translate() -> TranslationRecipe:
    """The default for own pairs: a narrower `multi30k-en-de`, since it has minutes; `fitted` makes it suit the text."""
    return _small(OWN_PAIRS, PairsPlan(name=""), width=128, epochs=60)


def fitted(recipe: TranslationRecipe, changes: Changes, pairs: int, size: int) -> TranslationRecipe:
    """The recipe for own pairs as it suits so many, of so many bytes: its vocabulary, the largest power of two that
    leaves 800 bytes for each token (4,096 for Multi30k), and its dropout; what is asked for otherwise stays."""
    fitting = 1 << (max(size // BYTES_FOR_A_TOKEN, 1).bit_length() - 1)
    data, model = recipe.data, recipe.model
    if changes.vocab is None:
        data = data.model_copy(update={"vocab": min(max(fitting, SMALLEST), LARGEST)})
    if changes.dropout is None:
        model = replace(model, dropout=model.dropout if pairs <= FEW_PAIRS else 0.1)
    training = recipe.training.model_copy(update={"epochs": None, "most_epochs": MOST_EPOCHS})
    return recipe.model_copy(update={"data": data, "model": model, "training": training})


def multi30k_en_de() -> TranslationRecipe:
    """Descriptions of pictures, English to German: a small Transformer for 29,000 pairs, in two hours of one core."""
    return _small("multi30k-en-de", _multi30k("en", "de"), width=192, epochs=42)


def multi30k_de_en() -> TranslationRecipe:
    """Descriptions of pictures, German to English."""
    return _small("multi30k-de-en", _multi30k("de", "en"), width=192, epochs=42)


def _published(name: str) -> TranslationRecipe:
    """A published Transformer with its published training, on Multi30k: Vaswani et al. 2017, sections 5.3, 5.4.

    Its learning rate, width^−0.5 · min(step^−0.5, step · warm_up^−1.5), has its peak at the end of the warm-up.
    """
    model = TRANSFORMER_SIZES[name]
    return TranslationRecipe(
        name=name,
        model=model,
        data=_multi30k("en", "de", vocab=8192),
        loss=LossPlan(smoothing=0.1),
        search=SearchPlan(beams=4, length_penalty=0.6),
        training=TrainingPlan(
            optimizer="adamw", learning_rate=(model.width * 4000) ** -0.5, betas=(0.9, 0.98),
            schedule="inverse-square-root", warm_up=4000, batch=4096, epochs=100,
        ),
    )  # fmt: skip


TRANSLATION_RECIPES: dict[str, Callable[[], TranslationRecipe]] = {
    "numbers-dates": numbers_dates,
    "multi30k-en-de": multi30k_en_de,
    "multi30k-de-en": multi30k_de_en,
    "translate": translate,
    "base": lambda: _published("base"),
    "big": lambda: _published("big"),
}
"""Recipes of translation by name; the first is the default."""


def translation_recipe(name: str | None) -> TranslationRecipe:
    """A recipe by name; raise `Error` that lists the names for one that does not exist."""
    if name is None:
        return numbers_dates()
    if name not in TRANSLATION_RECIPES:
        raise Error(f"there is no recipe {name!r} for translate; choose one of: {', '.join(TRANSLATION_RECIPES)}")
    return TRANSLATION_RECIPES[name]()
