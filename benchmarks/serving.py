"""How many tokens a second `kqv serve` writes for 1, 8, 32 and 200 clients at once.

    python benchmarks/serving.py MODEL [--tokens 64] [--prompt "Once upon a time"]

The server runs as a process of its own, with one thread. Beside the seconds on the clock stand those of its processor
time: on a machine that is busy with other things, only these say what it costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import openai

CLIENTS = (1, 8, 32, 200)
TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """What a process has computed so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def ask(address: str, model: str, prompt: str, tokens: int, clients: int) -> int:
    """So many clients at once, each with a seed of its own; how many tokens came."""
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", timeout=900) as client:
        asked = [
            client.completions.create(model=model, prompt=prompt, max_tokens=tokens, seed=seed, temperature=0.8)
            for seed in range(clients)
        ]
        return sum(found.usage.completion_tokens for found in await asyncio.gather(*asked) if found.usage)


def main() -> None:
    """Serve, ask, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", default="Once upon a time")
    asked = parser.parse_args()
    command = [sys.executable, "-m", "kqv", "serve", asked.model, "--name", "model", "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as it:
        assert it.stdout is not None
        address = next(found[1] for line in it.stdout if (found := re.search(r"Served at (http://\S+)/v1", line)))
        asyncio.run(ask(address, "model", asked.prompt, 2, 1))  # the first pass is slower
        print(f"{asked.model}, {asked.tokens} tokens for each client, load {os.getloadavg()[0]:.1f}")
        print("clients  tokens  seconds  tokens/s  processor s  tokens/processor s")
        for clients in CLIENTS:
            started, before = time.perf_counter(), processor_seconds(it.pid)
            tokens = asyncio.run(ask(address, "model", asked.prompt, asked.tokens, clients))
            seconds, computed = time.perf_counter() - started, processor_seconds(it.pid) - before
            print(
                f"{clients:>7}  {tokens:>6}  {seconds:>7.1f}  {tokens / seconds:>8.1f}  {computed:>11.1f}"
                f"  {tokens / computed:>18.1f}",
                flush=True,
            )
        it.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
