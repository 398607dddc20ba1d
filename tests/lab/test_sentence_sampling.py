"""The probabilities that the page computes are those of `kqv/generation/sampling.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kqv.generation.sampling import Sampling
from kqv.lab.pages import WEB

NODE = shutil.which("node")
COMPILER = WEB / "node_modules" / "typescript" / "package.json"
SCRIPT = """
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const ts = createRequire(process.argv[2])("typescript");
const [source, cases] = process.argv.slice(3).map((name) => readFileSync(name, "utf8"));
const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
const code = ts.transpileModule(source, { compilerOptions: options }).outputText;
const { distribution } = await import("data:text/javascript;base64," + Buffer.from(code).toString("base64"));
const computed = ({ logits, sampling }) => Array.from(distribution(Float32Array.from(logits), sampling));
process.stdout.write(JSON.stringify(JSON.parse(cases).map(computed)));
"""
SETTINGS: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 0.0},
    {"temperature": 0.3},
    {"temperature": 1.7, "top_k": 5},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 0.6, "top_p": 0.05},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 0.9, "top_k": 40, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 1e-6, "top_k": 3},
]
NAMES = {"top_k": "topK", "top_p": "topP", "min_p": "minP", "temperature": "temperature"}


@pytest.mark.skipif(NODE is None or not COMPILER.is_file(), reason="needs Node and `npm ci` in kqv/lab/web")
def test_the_page_computes_the_probabilities_of_sampling(tmp_path: Path) -> None:
    chance = torch.Generator().manual_seed(3)
    drawn = [torch.randn(size, generator=chance) * spread for size, spread in ((7, 1.0), (300, 4.0), (2000, 2.0))]
    drawn.append(torch.tensor([1.0, 3.0, 3.0, -2.0, 3.0, 0.0]))  # equal ones: the lower id comes first
    cases = [(logits, settings) for logits in drawn for settings in SETTINGS]
    content = [
        {"logits": logits.tolist(), "sampling": {NAMES[name]: value for name, value in settings.items()}}
        for logits, settings in cases
    ]
    file, script = tmp_path / "cases.json", tmp_path / "sampling.mjs"
    file.write_text(json.dumps(content), encoding="utf-8")
    script.write_text(SCRIPT, encoding="utf-8")
    source = WEB / "src" / "rooms" / "sentence" / "sampling.ts"
    command = [str(NODE), str(script), str(WEB / "package.json"), str(source), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for found, (logits, settings) in zip(json.loads(done.stdout), cases, strict=True):
        expected = Sampling(**settings).distribution(logits).numpy()
        assert np.array_equal(np.array(found) > 0, expected > 0), settings
        assert np.abs(np.array(found) - expected).max() < 1e-12, settings
