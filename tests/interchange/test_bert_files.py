"""Encoders of BERT's family from files: the hidden states of `transformers`, and files that are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_encoders import CONFIG, SIZES, WORDS, encoder_folder, word_pieces
from small_models import stirred
from torch import Tensor

from kqv.errors import DataError
from kqv.interchange.bert import architecture_in, is_encoder, read
from kqv.interchange.config_fields import EXPECTED
from kqv.models.bert import BERT

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertModel", {}),
    "gelu by tanh, one type, other epsilon": (
        "BertModel",
        {"hidden_act": "gelu_new", "type_vocab_size": 1, "layer_norm_eps": 1e-3},
    ),
    "relu, with a head for masked tokens": ("BertForMaskedLM", {"hidden_act": "relu"}),
    "with a head for classes": ("BertForSequenceClassification", {}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    encoder_folder(tmp_path / "encoder")
    return tmp_path / "encoder"


def batch(types: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, types and which of them are there, of three texts of different lengths."""
    chance = torch.Generator().manual_seed(1)
    ids = torch.randint(len(WORDS), (3, 9), generator=chance)
    present = torch.arange(9) < torch.tensor([[9], [5], [2]])
    return ids, torch.randint(types, (3, 9), generator=chance), present


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    name, changes = KINDS[kind]
    other = stirred(getattr(transformers, name)(transformers.BertConfig(**{**SIZES, **changes})))
    other.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(word_pieces(), encoding="utf-8")
    model, _ = read(tmp_path)
    body = getattr(other, "bert", other)
    ids, types, present = batch(changes.get("type_vocab_size", 2))
    for dtype, most in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        model.to(dtype)
        body.to(dtype)
        for there in (None, present):
            expected = body(ids, token_type_ids=types, attention_mask=there).last_hidden_state
            assert float(expected.std()) > 0.1, "numbers that are all alike would tell nothing"
            assert float((model(ids, types, there) - expected).abs().max()) <= most


def test_a_folder_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = encoder_folder(tmp_path)
    model, tokenizer = read(tmp_path)
    assert model.architecture == made.architecture
    assert not model.training
    for name, tensor in made.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert tokenizer.tokens == tuple(WORDS)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor.clone() for name, tensor in change(tensors).items()}, folder / "model.safetensors")


def test_old_names_of_norms_and_what_holds_no_weights(folder: Path) -> None:
    before, _ = read(folder)

    def older(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        named = {
            f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
            for name, t in tensors.items()
        }
        extra = {"bert.embeddings.position_ids": torch.arange(48)[None], "bert.pooler.dense.weight": torch.ones(24, 24)}
        return named | extra | {"cls.predictions.bias": torch.ones(len(WORDS))}

    rewrite(folder, older)
    after, _ = read(folder)
    for name, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], tensor), name


def test_a_damaged_or_foreign_folder_is_refused_by_name(folder: Path) -> None:
    rewrite(folder, lambda tensors: {**tensors, "strange.weight": torch.ones(2)})
    with pytest.raises(DataError, match=r"has a tensor strange\.weight"):
        read(folder)
    rewrite(folder, lambda tensors: {n: t for n, t in tensors.items() if not n.startswith(("strange", "encoder.l"))})
    with pytest.raises(DataError, match=r"lacks the tensor encoder\.layer\.0\.attention"):
        read(folder)


def test_tensors_of_another_size_are_refused(folder: Path) -> None:
    write_config(folder, intermediate_size=41)
    with pytest.raises(DataError, match=r"intermediate\.dense\.weight has shape \[40, 24\]"):
        read(folder)


def test_a_missing_or_foreign_tokenizer_is_refused(folder: Path) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["vocab"] |= {f"more{number}": len(WORDS) + number for number in range(3)}
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"the tokenizer has {len(WORDS) + 3} tokens, but the model only {len(WORDS)}"):
        read(folder)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        read(folder)
    file.unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json is missing; transformers writes it"):
        read(folder)


def write_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key', which is not"),
        ({"is_decoder": True}, "is_decoder is True, which is not supported"),
        ({"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu' is not supported; supported are: gelu_new"),
        ({"strange": 3}, "strange is 3; no such field is known here"),
        ({"type_vocab_size": None}, "type_vocab_size is None, but a whole number"),
        ({"num_attention_heads": 5}, "config.json"),
        ({"hidden_size": 10**9, "num_attention_heads": 1}, "config.json is damaged"),
        ({"num_hidden_layers": 1000}, "speaks of 1,000 blocks"),
    ],
)
def test_what_a_config_asks_for_and_nobody_computes_is_refused(
    changes: dict[str, Any], words: str, folder: Path
) -> None:
    write_config(folder, **changes)
    with pytest.raises(DataError, match=words):
        read(folder)


def test_every_expected_field_is_refused_with_another_value() -> None:
    for name in EXPECTED["bert"]:
        with pytest.raises(DataError, match=f"^{name} is 'else'"):
            architecture_in({**CONFIG, name: "else"})


def test_which_folders_are_encoders(folder: Path, tmp_path: Path) -> None:
    assert is_encoder(folder)
    assert not is_encoder(tmp_path)
    for content, expected in (
        ({"architectures": ["BertForMaskedLM"]}, True),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, False),
        ({"model_type": "roberta", "architectures": ["RobertaModel"]}, False),
        ({"architectures": None}, False),
    ):
        (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
        assert is_encoder(folder) is expected, content


def test_it_is_an_encoder_in_evaluation_mode_that_takes_gradients(folder: Path) -> None:
    model, _ = read(folder)
    assert isinstance(model, BERT)
    ids, types, present = batch(2)
    model(ids, types, present)[present].square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
