"""A character GPT trained as one writes it with PyTorch's own parts: the yardstick for whole trainings.

    python benchmarks/plain_training.py TEXT                     # nanoGPT's published flags for a CPU
    python benchmarks/plain_training.py TEXT --blocks 6 --heads 6 --model 384 --context 256 --batch 16 --steps 10

nn.Linear, nn.LayerNorm, fused attention, `cross_entropy`, AdamW as it comes, in a process of its own with the
allocator as it comes; nothing of kqv is imported. Prints one JSON object: milliseconds a step (median), seconds in all,
and the loss over the whole validation text, the last tenth.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain_gpt import PlainGPT, plain_loss
from torch import Tensor


def learning_rate(step: int, steps: int, warm_up: int = 100, peak: float = 1e-3, floor: float = 1e-4) -> float:
    """Linear warm-up, then a cosine down to the floor."""
    if step < warm_up:
        return peak * (step + 1) / (warm_up + 1)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def initialise(model: PlainGPT, blocks: int) -> None:
    """GPT-2's beginning."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            adds_to_stream = name.endswith(("projection.weight", "narrow.weight"))
            torch.nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * blocks) if adds_to_stream else 0.02)


@torch.no_grad()
def validation_loss(model: PlainGPT, ids: Tensor, context: int) -> float:
    """Mean over every token of the text but the first, in windows side by side."""
    total, count = 0.0, 0
    for start in range(0, len(ids) - 1, 64 * context):
        rows = min(64, (len(ids) - 1 - start) // context)
        pieces = [ids[start : start + rows * context + 1]] if rows else []
        rest = ids[start + rows * context :] if rows < 64 else ids[:0]
        for piece, width in [(piece, context) for piece in pieces] + ([(rest, len(rest) - 1)] if len(rest) > 1 else []):
            x, y = piece[:-1].view(-1, width), piece[1:].view(-1, width)
            total += float(plain_loss(model(x), y)) * y.numel()
            count += y.numel()
    return total / count


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    sizes = {"blocks": 4, "heads": 4, "model": 128, "context": 64, "batch": 12, "steps": 2000, "seed": 1}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--no-loss", action="store_true")
    words = parser.parse_args()
    began = time.perf_counter()
    torch.manual_seed(words.seed)
    text = words.text.read_text(encoding="utf-8")
    codes = {character: code for code, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([codes[character] for character in text])
    train, validation = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]
    model = PlainGPT(len(codes), words.context, words.model, words.heads, words.blocks, bias=False)
    initialise(model, words.blocks)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    times = []
    for step in range(words.steps):
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, words.steps)
        positions = torch.randint(len(train) - words.context, (words.batch,)).tolist()
        x = torch.stack([train[position : position + words.context] for position in positions])
        y = torch.stack([train[position + 1 : position + 1 + words.context] for position in positions])
        loss = plain_loss(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - started)
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": words.steps,
        "step_ms": 1e3 * statistics.median(times),
        "training_seconds": sum(times),
    }
    if not words.no_loss:
        result["loss"] = validation_loss(model, validation, words.context)
    print(json.dumps(result | {"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
