"""Folders for CTranslate2: its log probabilities and translations are ours, and the README's lines do what they say."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import stirred

from kqv.data.parallel.sentences import BEGIN, END, Sentences
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.data.text.characters import Bytes, Characters
from kqv.errors import Error
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.interchange.ctranslate2 import README, TYPES, Translator, usage, write
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TABLES, TranslatorArchitecture

ctranslate2 = pytest.importorskip("ctranslate2", reason="the package ctranslate2 is not installed")

CONTEXT = 24
SIZES = TranslatorArchitecture(
    context=CONTEXT, width=24, heads=4, hidden=40, encoder_blocks=2, decoder_blocks=2, dropout=0.0
)
LETTERS = "abcdefghijklmnop"
GERMAN = [
    "Ein Hund läuft über die grüne Wiese.",
    "Zwei Männer stehen am Fluß.",
    "Der Hund schläft.",
    "Eine Frau »singt«.",
]
ENGLISH = ["A dog runs across the green meadow.", "Two men stand by the river.", "The dog sleeps.", "A woman “sings”."]

PARTS = [
    dict(zip(("block", "norm", "positions", "feed_forward"), parts, strict=True))
    for parts in itertools.product(
        ("post-norm", "pre-norm"), ("layer", "rms"), ("sinusoidal", "learned", "rotary", "none"),
        ("relu", "gelu", "gelu-tanh", "swiglu"),
    )
]  # fmt: skip
OTHERS: list[dict[str, Any]] = [
    {"bias": False}, {"bias": False, "block": "pre-norm", "norm": "rms", "feed_forward": "swiglu"},
    {"epsilon": 0.1}, {"epsilon": 0.1, "norm": "rms"}, {"positions": "rotary", "rotary_base": 20.0},
    {"encoder_blocks": 1, "decoder_blocks": 3}, {"encoder_blocks": 3, "decoder_blocks": 1}, {"heads": 1},
    {"hidden": None, "feed_forward": "swiglu"},
]  # fmt: skip


def characters(letters: str = LETTERS) -> Sentences:
    return Sentences(Characters(letters))


def byte_pairs(texts: list[str]) -> Sentences:
    return Sentences(train_byte_pairs([f" {text}" for text in texts * 3], 330))


def translator_of(source: Sentences, target: Sentences, **parts: Any) -> Translator:
    """A random model for these vocabularies, which are joint where they are one and the same."""
    tables = {} if source is target else {"tables": parts.pop("tables", "separate")}
    sizes = source.size, target.size
    torch.manual_seed(11)
    model = Transformer(sizes[1], None if source is target else sizes[0], replace(SIZES, **parts, **tables))
    return Translator(stirred(model), source, target, beams=1)


def loaded(folder: Path) -> Any:
    return ctranslate2.Translator(str(folder), inter_threads=1, intra_threads=1)


def pairs(source: int, target: int) -> list[tuple[list[int], list[int]]]:
    """Random ids of tokens, in sentences of all lengths up to the longest, for so many tokens without special ones."""
    random = torch.Generator().manual_seed(7)

    def drawn(length: int, tokens: int) -> list[int]:
        return torch.randint(2, tokens + 2, (length,), generator=random).tolist()  # type: ignore[no-any-return]

    lengths = [(1, 1), (CONTEXT - 1, CONTEXT - 1), (5, 9), (12, 2), (2, 12)]
    return [(drawn(read, source), drawn(written, target)) for read, written in lengths]


@torch.no_grad()
def our_log_probabilities(model: Transformer, source: list[int], target: list[int]) -> torch.Tensor:
    """Those of the target's tokens and of its end."""
    logits = model(torch.tensor([[*source, 1]]), torch.tensor([[0, *target]]))
    return logits.log_softmax(-1)[0, range(len(target) + 1), [*target, 1]]  # type: ignore[no-any-return]


def largest_difference(translator: Translator, folder: Path) -> float:
    """Between log probabilities of the folder's and of our model, for a batch of sentences of different lengths."""
    read, written = (
        cut.tokenizer.decode([*range(cut.tokenizer.size)]) for cut in (translator.source, translator.target)
    )
    chosen = pairs(len(read), len(written))
    sources = [[read[token - 2] for token in source] for source, _ in chosen]
    targets = [[written[token - 2] for token in target] for _, target in chosen]
    found = loaded(folder).score_batch(sources, targets)
    ours = [our_log_probabilities(translator.model, *pair).float() for pair in chosen]
    return max(float((torch.tensor(one.log_probs) - own).abs().max()) for one, own in zip(found, ours, strict=True))


@pytest.mark.parametrize("parts", PARTS + OTHERS, ids=lambda parts: " ".join(str(part) for part in parts.values()))
def test_log_probabilities_are_ours(parts: dict[str, Any], tmp_path: Path) -> None:
    joint = characters()
    translator = translator_of(joint, joint, **parts)
    write(translator, tmp_path / "model")
    assert largest_difference(translator, tmp_path / "model") < 1e-4


@pytest.mark.parametrize("tables", [name for name in TABLES if name != "shared"])
@pytest.mark.parametrize("block", ["post-norm", "pre-norm"])
def test_two_vocabularies_stay_apart(tables: str, block: str, tmp_path: Path) -> None:
    translator = translator_of(characters("αβγδεζη"), characters(), tables=tables, block=block)
    names = write(translator, tmp_path / "model")
    assert {"source_vocabulary.json", "target_vocabulary.json", "source_tokenizer.json"} < set(names)
    assert largest_difference(translator, tmp_path / "model") < 1e-4


def test_a_table_and_a_projection_of_one_vocabulary_may_differ(tmp_path: Path) -> None:
    joint = characters()
    translator = replace(
        translator_of(joint, joint), model=stirred(Transformer(18, 18, replace(SIZES, tables="separate")))
    )
    assert "shared_vocabulary.json" in write(translator, tmp_path / "model")
    assert largest_difference(translator, tmp_path / "model") < 1e-4


def test_another_precision_is_written_as_float32(tmp_path: Path) -> None:
    joint = characters()
    translator = translator_of(joint, joint)
    translator.model.double()
    write(translator, tmp_path / "model")
    assert largest_difference(translator, tmp_path / "model") < 1e-4


def test_int8_is_smaller_and_nearly_the_same(tmp_path: Path) -> None:
    joint = characters()
    translator = translator_of(joint, joint, width=64, hidden=256, block="pre-norm")
    before = {name: tensor.clone() for name, tensor in translator.model.state_dict().items()}
    sizes = {}
    for number_type in TYPES:
        write(translator, tmp_path / number_type, number_type)
        sizes[number_type] = (tmp_path / number_type / "model.bin").stat().st_size
    assert sizes["int8"] < 0.3 * sizes["float32"]
    assert loaded(tmp_path / "int8").compute_type.startswith("int8")
    exact, rounded = (largest_difference(translator, tmp_path / number_type) for number_type in TYPES)
    assert exact < 1e-4 < rounded < 0.3
    assert all(torch.equal(before[name], tensor) for name, tensor in translator.model.state_dict().items())


def test_what_ctranslate2_lacks_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEED_FORWARD, "relu-cubed", FEED_FORWARD["relu"])
    joint = characters()
    with pytest.raises(Error, match=r"CTranslate2 has no feed-forward part 'relu-cubed'; .*: relu, gelu, gelu-tanh"):
        write(translator_of(joint, joint, feed_forward="relu-cubed"), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_only_a_new_folder_is_written_and_only_a_type_that_there_is(tmp_path: Path) -> None:
    joint = characters()
    translator = translator_of(joint, joint)
    with pytest.raises(Error, match="no type 'int4' here; choose one of: float32, int8"):
        write(translator, tmp_path / "model", "int4")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(Error, match="full is not empty"):
        write(translator, tmp_path / "full")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine"]


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joint = characters()
    monkeypatch.delitem(sys.modules, "kqv.interchange.ctranslate2_spec", raising=False)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(Error, match=re.escape('pip install "kqv[ctranslate2]"')):
        write(translator_of(joint, joint), tmp_path / "model")


def test_a_token_with_the_name_of_a_special_one_is_refused(tmp_path: Path) -> None:
    pairs = train_byte_pairs(GERMAN, 300)
    pairs._library.add_tokens(["</s>"])
    joint = Sentences(BytePairs(pairs._library.to_str()))
    with pytest.raises(Error, match="a token '</s>' of its own"):
        write(translator_of(joint, joint), tmp_path / "model")


def test_all_tokens_have_names_of_their_own(tmp_path: Path) -> None:
    joint = byte_pairs(["<s> </s> <unk> <blank> ￨ ｟"])
    write(translator_of(joint, joint), tmp_path / "model")
    listed = json.loads((tmp_path / "model" / "shared_vocabulary.json").read_text(encoding="utf-8"))
    assert len(listed) == len(set(listed)) == joint.size
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert [config["bos_token"], config["eos_token"]] == listed[:2]
    assert config["decoder_start_token"] == listed[0]
    assert config["add_source_eos"]
    assert config["unk_token"] not in listed, "no token is banned or made by chance"


def likeliest(model: Transformer, written: list[int], read: torch.Tensor) -> int:
    return int(model.decode(torch.tensor([written]), read)[0, -1].argmax())


@torch.no_grad()
def ours(translator: Translator, sentence: str) -> str:
    """The translation that takes the most likely token each time, up to the context."""
    model, written = translator.model, [0]
    read = model.encode(torch.tensor([translator.source.encode(sentence).tolist()]))
    while len(written) <= model.context and (token := likeliest(model, written, read)) != 1:
        written.append(token)
    return translator.target.decode(written)


def run_readme(folder: Path, line: str) -> str:
    """What the README's lines print."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / README).read_text(encoding="utf-8"), re.DOTALL)
    printed = io.StringIO()
    with contextlib.chdir(folder.parent), contextlib.redirect_stdout(printed):
        exec(code, {"line": line})
    return printed.getvalue().removesuffix("\n")


def trained_to_sort() -> Transformer:
    """A model that has half learned to sort letters: sure of some of what it writes, and unsure of more."""
    torch.manual_seed(1)
    model = Transformer(len(LETTERS) + 2, None, replace(SIZES, width=32, encoder_blocks=1, decoder_blocks=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    begin, end = (torch.full((32, 1), token) for token in (BEGIN, END))
    for _ in range(60):
        letters = torch.randint(2, len(LETTERS) + 2, (32, int(torch.randint(3, 12, ()))))
        ordered = letters.sort(1).values
        logits = model(torch.cat((letters, end), 1), torch.cat((begin, ordered), 1))
        optimizer.zero_grad()
        model.loss(logits, torch.cat((ordered, end), 1)).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Translator, Path]:
    joint = characters()
    translator, folder = Translator(trained_to_sort(), joint, joint), tmp_path_factory.mktemp("sorting") / "model"
    write(translator, folder)
    return translator, folder


@pytest.mark.parametrize(("beams", "length_penalty"), [(1, 1.0), (5, 1.0), (5, 0.0), (4, 0.6)])
def test_its_beam_search_finds_our_translations(
    sorting: tuple[Translator, Path], beams: int, length_penalty: float
) -> None:
    translator, folder = sorting
    random = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, 15, (150,), generator=random).tolist()
    sources = [torch.randint(2, len(LETTERS) + 2, (length,), generator=random).tolist() for length in lengths]
    how = BeamSearch(beams, length_penalty)
    ours = [found[0] for found in beam_search(translator.model, [[*ids, END] for ids in sources], BEGIN, END, how)]
    theirs = loaded(folder).translate_batch(
        [[LETTERS[token - 2] for token in ids] for ids in sources],
        beam_size=beams, length_penalty=length_penalty, max_decoding_length=CONTEXT, return_scores=True,
    )  # fmt: skip
    named = ["<s>", "</s>", *LETTERS]
    same = [
        (own, found.scores[0], ids) for own, found, ids in zip(ours, theirs, sources, strict=True)
        if [named[token] for token in own.ids] == found.hypotheses[0]
    ]  # fmt: skip
    assert len({own.ids for own in ours}) > 100, "few sources are translated alike"
    assert len(same) >= 0.99 * len(sources)
    for own, score, ids in same[:50]:  # there the first token's probabilities are divided by 1 − that of the end
        first = our_log_probabilities(translator.model, ids, [])
        divided = own.log_probability - float((-first.exp()).log1p())
        assert score == pytest.approx(divided / (len(own.ids) + own.complete) ** length_penalty, abs=1e-4)


VOCABULARIES: dict[str, Callable[[], tuple[Sentences, Sentences]]] = {
    "joint byte pairs": lambda: (byte_pairs(GERMAN + ENGLISH),) * 2,
    "byte pairs": lambda: (byte_pairs(GERMAN), byte_pairs(ENGLISH)),
    "joint characters": lambda: (characters("".join(sorted(set("".join(GERMAN + ENGLISH) + '\n\t"\\￨｟🦊')))),) * 2,
    "characters to byte pairs": lambda: (characters("".join(sorted(set("".join(GERMAN))))), byte_pairs(ENGLISH)),
    "bytes": lambda: (Sentences(Bytes()),) * 2,
}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_the_lines_of_the_readme_translate_as_we_do(vocabulary: str, tmp_path: Path) -> None:
    source, target = VOCABULARIES[vocabulary]()
    translator = translator_of(source, target, context=40)
    write(translator, tmp_path / "model")
    lines = [line for line in GERMAN if len(source.encode(line)) <= 40]
    found = [run_readme(tmp_path / "model", line) for line in lines]
    assert found == [ours(translator, line) for line in lines]
    assert len(set(found)) > 1, "the model says something about its source"
    shown = usage(translator, Path("model"))
    assert shown in (tmp_path / "model" / README).read_text(encoding="utf-8"), "the terminal shows the same lines"


def test_pieces_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    joint = byte_pairs(GERMAN)
    write(translator_of(joint, joint), tmp_path / "model")
    listed = json.loads((tmp_path / "model" / "shared_vocabulary.json").read_text(encoding="utf-8"))
    assert "ĠHund" in listed
    assert [listed[token] for token in joint.encode("Der Hund")][-2:] == ["ĠHund", "</s>"]


def test_a_source_that_is_too_long_is_refused_there_too(tmp_path: Path) -> None:
    joint = characters()
    write(translator_of(joint, joint), tmp_path / "model")
    assert f"A source has up to {CONTEXT - 1} pieces" in (tmp_path / "model" / README).read_text(encoding="utf-8")
    loaded(tmp_path / "model").translate_batch([["a"] * (CONTEXT - 1)], max_decoding_length=CONTEXT)
    with pytest.raises(RuntimeError, match="No position encodings"):
        loaded(tmp_path / "model").translate_batch([["a"] * CONTEXT], max_decoding_length=CONTEXT)


def test_an_unknown_character_is_refused_by_the_tokenizer(tmp_path: Path) -> None:
    joint = characters()
    write(translator_of(joint, joint), tmp_path / "model")
    with pytest.raises(Exception, match="WordLevel error"):
        run_readme(tmp_path / "model", "abcß")


def test_a_longer_context_is_not_cut() -> None:
    joint = characters()
    assert "max_input_length=0" in usage(translator_of(joint, joint, context=1025), Path("model"))
