"""A large file of tokens is read once, then known: time to plan, time per step, and memory that does not grow with it.

    python benchmarks/data_rates.py --tokens 1e9

Each row is a process of its own, with a cache of its own for the whole table. Peak memory is that of the process (RSS,
mapped pages of the file included) and, beside it, what it holds that is no file (anonymous memory).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_CHUNK = 1 << 24

_CODE = """
import json, resource, sys, time
import numpy as np
from scaling.data import WindowStream, load, prepare
from scaling.spec.schema import DataSpec
spec = DataSpec.model_validate(json.loads(sys.argv[1]))
began = time.perf_counter()
corpus = prepare(spec)
prepared_s = time.perf_counter() - began
stream = WindowStream(corpus.train, spec.context, 64, seed=0)
stream.batch(0)
began = time.perf_counter()
for step in range(1, 201):
    stream.batch(step)
step_ms = (time.perf_counter() - began) / 200 * 1e3
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({"tokens": corpus.identity.train_tokens, "prepared_s": prepared_s, "step_ms": step_ms,
    "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "anonymous_mb": int(status["RssAnon"].split()[0]) / 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=float, default=1e9, help="tokens in the file, two bytes each (default 1e9)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SCALING_CACHE": str(Path(folder) / "cache")}
        path = write_tokens(Path(folder) / "tokens.bin", int(args.tokens))
        os.utime(path, (0, 0))  # a file that changed just now is not trusted to stay
        shards = {"path": str(path), "vocab_size": 50_257, "context": 1024}
        print(f"{'corpus':18} {'':7} {'tokens':>14} {'read, s':>9} {'ms/step':>8} {'peak MB':>8} {'not file MB':>12}")
        for name, data in (("tokens.bin", shards), ("python-installed", {"source": "python-installed"})):
            for turn in ("first", "again"):
                done = subprocess.run(
                    [sys.executable, "-c", _CODE, json.dumps(data)],
                    env=environment, capture_output=True, text=True, check=True,
                )  # fmt: skip
                row = json.loads(done.stdout)
                print(
                    f"{name:18} {turn:7} {row['tokens']:14,} {row['prepared_s']:9.3f} {row['step_ms']:8.3f} "
                    f"{row['rss_mb']:8.0f} {row['anonymous_mb']:12.0f}"
                )


def write_tokens(path: Path, tokens: int) -> Path:
    """Write random tokens of GPT-2's vocabulary, as nanoGPT does."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, tokens, _CHUNK):
            rng.integers(0, 50_257, min(_CHUNK, tokens - start), dtype=np.uint16).tofile(file)
    return path


if __name__ == "__main__":
    main()
