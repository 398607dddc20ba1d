"""A small model that writes and has a chat template, as a folder in Hugging Face's layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import AddedToken

from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.interchange import hugging_face
from kqv.models.architecture import Architecture
from kqv.models.families import LLAMA
from kqv.models.gpt import GPT

CONTEXT = 96
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for one in messages %}{{'<|im_start|>' + one['role'] + '\n' + one['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = "Once upon a time there was a queen who asked her key for a value; the key said: not today, dear queen. " * 9


def chat_folder(folder: Path) -> tuple[GPT, BytePairs]:
    """Write the folder, and give back what is in it."""
    library = train_byte_pairs([TEXT], 300)._library
    library.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    tokenizer = BytePairs(library.to_str())
    torch.manual_seed(7)
    sizes = {"context": CONTEXT, "width": 32, "heads": 4, "blocks": 2, "key_heads": 2}
    model = GPT(tokenizer.size, Architecture(**{**LLAMA.parts, **sizes}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    hugging_face.write(model.eval(), tokenizer, folder)
    described = folder / "tokenizer_config.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    described.write_text(json.dumps(content | {"chat_template": TEMPLATE}), encoding="utf-8")
    return model, tokenizer
