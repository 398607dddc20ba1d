"""Python that runs exported files with onnxruntime, as lines to be shown."""

from __future__ import annotations

import math
from pathlib import Path

from kqv.data.parallel.sentences import BEGIN, END, SPECIAL
from kqv.data.text.codec import FILE
from kqv.interchange.ctranslate2 import Translator
from kqv.interchange.onnx import DECODER, ENCODER
from kqv.models.gpt import GPT
from kqv.models.recogniser import Recogniser


def of_gpt(model: GPT, prompt: str, path: Path) -> str:
    """Lets a GPT continue a prompt."""
    tokens, heads = min(40, model.context // 2), model.heads
    return "\n".join([
        "import numpy as np, onnxruntime",
        "from tokenizers import Tokenizer",
        f"model = onnxruntime.InferenceSession({str(path)!r})",
        f"tokenizer = Tokenizer.from_file({str(path.with_name(FILE))!r})",
        f"written, cache = [], {{it.name: np.zeros((1, {heads.key_heads}, 0, {heads.channels}), np.float32)",
        "                      for it in model.get_inputs() if it.name.startswith('past')}",
        f"ids = np.array([tokenizer.encode({prompt!r}).ids])",
        f"for count in range(ids.size, ids.size + {tokens}):",
        "    inputs = {'input_ids': ids, 'attention_mask': np.ones((1, count), np.int64), **cache}",
        "    logits, *present = model.run(None, inputs)",
        "    cache, ids = dict(zip(cache, present)), logits[:, -1:].argmax(-1)",
        "    written.append(ids.item())",
        "print(tokenizer.decode(written))",
    ])  # fmt: skip


def of_recogniser(model: Recogniser, path: Path) -> str:
    """Gives the probabilities of a picture's classes."""
    rows = math.isqrt(model.pixels)
    rows = rows if rows * rows == model.pixels else 1
    return "\n".join([
        "import numpy as np, onnxruntime",
        f"model = onnxruntime.InferenceSession({str(path)!r})",
        f"pictures = np.zeros((1, {rows}, {model.pixels // rows}), np.uint8)  # light ink on dark ground",
        "print(model.run(['probabilities'], {'pictures': pictures})[0])",
    ])  # fmt: skip


def of_translator(translator: Translator, folder: Path) -> str:
    """Translates one `line`, the likeliest token each time."""
    heads, before, after = translator.model.architecture.shared(), translator.source.lead, translator.target.lead
    reads, writes = translator.tokenizers
    files = {name: str(folder / f"{name}.json") for name in (reads, writes)}
    cut, more = f"{reads}.encode({f'{before!r} + line' if before else 'line'}).ids", len(SPECIAL)
    decoded = f"{writes}.decode(written)"
    return "\n".join([
        "import numpy as np, onnxruntime",
        "from tokenizers import Tokenizer",
        f"encoder = onnxruntime.InferenceSession({str(folder / ENCODER)!r})",
        f"decoder = onnxruntime.InferenceSession({str(folder / DECODER)!r})",
        *(f"{name} = Tokenizer.from_file({file!r})" for name, file in files.items()),
        f"source = np.array([[it + {more} for it in {cut}] + [{END}]])  # {BEGIN} begins a sentence, {END} ends it",
        "mask = np.ones_like(source)",
        "found = encoder.run(None, {'input_ids': source, 'attention_mask': mask})[1:]",
        "read = {'past_key_values' + it.name.removeprefix('present'): numbers",
        "        for it, numbers in zip(encoder.get_outputs()[1:], found)}",
        f"cache = {{it.name: np.zeros((1, {heads.key_heads}, 0, {heads.channels}), np.float32)",
        "         for it in decoder.get_inputs() if '.decoder.' in it.name}",
        f"ids, written = np.array([[{BEGIN}]]), []",
        f"for _ in range({translator.model.context}):",
        "    inputs = {'input_ids': ids, 'encoder_attention_mask': mask, **read, **cache}",
        "    logits, *present = decoder.run(None, inputs)",
        "    cache, ids = dict(zip(cache, present)), logits[:, -1:].argmax(-1)",
        f"    if ids.item() < {more}:",
        "        break",
        f"    written.append(ids.item() - {more})",
        f"print({decoded}.removeprefix({after!r}))" if after else f"print({decoded})",
    ])  # fmt: skip
