"""Compares our logits with stored ones for every model of a folder.

    python check_all.py MODELS LOGITS [--run golden_run] [--only REGEX] [--chunks 0,7,1] [--jobs 1] [--backend ref]

MODELS: a folder with manifest.json (name -> file, ids, tolerance); default INGOT_MODELS. LOGITS: a folder with NAME.bin
(int32 rows, int32 columns, float32 values) for every model; names without one are skipped. Chunks: tokens per step, 0 =
all at once. Prints one line per model: normalised squared error of the worst chunking. Exit status 1 when one misses.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def rows(path):
    raw = Path(path).read_bytes()
    n, width = struct.unpack("<ii", raw[:8])
    values = array("f")
    values.frombytes(raw[8:8 + 4 * n * width])
    return (n, width), values


def nmse(got, want):
    if got[0] != want[0] or len(got[1]) != len(want[1]):
        return float("inf")
    top = bottom = 0.0
    for x, y in zip(got[1], want[1]):
        if not (abs(x) < 1e30 and abs(y) < 1e30):
            if (abs(x) < 1e30) != (abs(y) < 1e30):
                return float("inf")
            continue
        top += (x - y) ** 2
        bottom += y * y
    return top / bottom if bottom else float("inf")


def check(name, entry, a):
    want = rows(Path(a.logits) / (name + ".bin"))
    worst, text = 0.0, ""
    with tempfile.TemporaryDirectory() as tmp:
        ids, out = Path(tmp) / "ids", Path(tmp) / "out"
        ids.write_text(" ".join(map(str, entry["ids"])))
        for chunk in a.chunks.split(","):
            r = subprocess.run([a.run, str(Path(a.models) / entry["file"]), str(ids), str(out), chunk, a.backend], capture_output=True, text=True)
            if r.returncode:
                return name, float("inf"), r.stderr.strip()[-400:] or f"exit status {r.returncode}"
            e = nmse(rows(out), want)
            if not e <= worst:
                worst, text = e, f"chunk {chunk}"
    return name, worst, text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="?", default=os.environ.get("INGOT_MODELS"))
    p.add_argument("logits")
    p.add_argument("--run", default="build/release/tests/golden/golden_run")
    p.add_argument("--only", default="")
    p.add_argument("--chunks", default="0,7,1")
    p.add_argument("--backend", default="ref")
    p.add_argument("--jobs", type=int, default=1)
    a = p.parse_args()
    manifest = json.loads((Path(a.models) / "manifest.json").read_text())
    names = [n for n in manifest if re.search(a.only, n) and (Path(a.logits) / (n + ".bin")).exists()]
    bad = 0
    with ThreadPoolExecutor(a.jobs) as pool:
        for name, e, text in pool.map(lambda n: check(n, manifest[n], a), names):
            miss = not e <= manifest[name]["tolerance"]
            bad += miss
            print(f"{name:28} {e:8.1e} {text}{'  <<<<' if miss else ''}", flush=True)
    print(f"{len(names) - bad} of {len(names)} agree")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
