"""Small random encoders of BERT's family as folders in Hugging Face's layout, and a WordPiece vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from small_models import stirred
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from kqv.interchange.tensor_names import entries
from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.families import BERT as FAMILY

TEXT = "the pizza came out of oven and it tasted good was hot to touch cafe ##s , . ! a b c ##a ##b ##c"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TEXT.split()]
SIZES = {
    "vocab_size": len(WORDS), "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 48, "type_vocab_size": 2,
}  # fmt: skip
CONFIG: dict[str, Any] = {"model_type": "bert", "architectures": ["BertModel"], **SIZES}


def word_pieces() -> str:
    """BERT's tokenizer with a few words, whose file cuts and pads texts as published ones do."""
    library = Tokenizer(models.WordPiece({word: token for token, word in enumerate(WORDS)}, unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer()
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    library.add_special_tokens(WORDS[:5])
    library.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    library.enable_truncation(16)
    library.enable_padding(length=16)
    return library.to_str()


def encoder_folder(folder: Path) -> BERT:
    """Write a small encoder as others would, and give the model that it was made of."""
    architecture = Architecture(**FAMILY.parts, context=48, width=24, heads=4, blocks=2, hidden=40)
    model: BERT = stirred(BERT(len(WORDS), architecture))
    own, found = model.state_dict(), {}
    for entry in entries("bert", model):
        parts = torch.split(own[entry.ours], list(entry.rows))
        found |= {name: part.clone() for name, part in zip(entry.theirs, parts, strict=True)}
    folder.mkdir(exist_ok=True)
    save_file(found, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "tokenizer.json").write_text(word_pieces(), encoding="utf-8")
    return model
