"""bench_cases.py INGOT MAKE_TINY: benchmarks of many requests at once: what they print, what their numbers must agree with, and what
they refuse."""

import json
import os
import subprocess
import sys
import tempfile

INGOT, MAKE_TINY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
failures = 0

BATCH_COLUMNS = ["PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"]
BATCH_KEYS = ["n_kv_max", "n_batch", "is_pp_shared", "n_threads", "pp", "tg", "pl", "n_kv", "t_pp", "speed_pp", "t_tg", "speed_tg",
              "t", "speed", "host"]

# arguments after "bench", exit code, part of standard error
REFUSED = [
    ("tiny.gguf --batch -npl 4097", 2, "-npl takes numbers from 1 to 4096"),
    ("tiny.gguf --batch -npl 0", 2, "-npl takes numbers from 1 to 4096"),
    ("tiny.gguf --batch -npp 0", 2, "-npp takes numbers from 1 to 67108864"),
    ("tiny.gguf --batch -npp 4,x", 2, "not \"4,x\""),
    ("tiny.gguf --batch -ntg ,", 2, "-ntg takes numbers"),
    ("tiny.gguf --batch -npl 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 2, "at most 16"),
    ("tiny.gguf --batch -p 8", 2, "-p does not go with --batch"),
    ("tiny.gguf --batch -n 8", 2, "-n does not go with --batch"),
    ("tiny.gguf --batch -d 8", 2, "-d does not go with --batch"),
    ("tiny.gguf --batch -r 2", 2, "-r does not go with --batch"),
    ("tiny.gguf --batch --ops", 2, "--ops does not go with --batch"),
    ("tiny.gguf -npl 8", 2, "-npl goes with --batch only"),
    ("tiny.gguf -pps", 2, "-pps goes with --batch only"),
    ("tiny.gguf --batch -npl 8 -b 4", 2, "give -b 8 or fewer -npl"),
    ("vocab.gguf --batch", 1, "vocab.gguf"),
    ("nofile.gguf --batch", 1, "nofile.gguf"),
]


def check(name, condition, message=""):
    global failures
    if not condition:
        failures += 1
        print(f"FAILED {name}: {message}", file=sys.stderr)


def bench(*args):
    return subprocess.run([INGOT, "bench", *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)


def lines(*args):
    done = bench(*args)
    check(args, done.returncode == 0 and not done.stderr, done)
    return done.stdout.decode().splitlines()


def batch_table():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines("tiny.gguf", "--batch", "-npp", "8,20", "-ntg",
                                                                                  "3", "-npl", "1,5")]
    check("batch", rows[0] == BATCH_COLUMNS and len(rows) == 6, rows)
    check("batch", [row[:4] for row in rows[2:]] == [["8", "3", "1", "11"], ["8", "3", "5", "55"], ["20", "3", "1", "23"],
                                                     ["20", "3", "5", "115"]], rows)
    csv = lines("tiny.gguf", "--batch", "-npp", "8", "-ntg", "3", "-npl", "2", "-o", "csv")
    check("batch", csv[0] == ",".join(BATCH_KEYS[4:]) and csv[1].startswith("8,3,2,22,"), csv)


def batch_json():
    for shared in (False, True):
        args = ["tiny.gguf", "--batch", "--npp", "40", "--ntg", "4,0", "--npl", "1,16", "-t", "2", "-b", "16", "--json"]
        rows = [json.loads(line) for line in lines(*args, *(["-pps"] if shared else []))]
        check("batch", [(r["pp"], r["tg"], r["pl"]) for r in rows] == [(40, 4, 1), (40, 4, 16), (40, 0, 1), (40, 0, 16)], rows)
        for r in rows:
            prompts, generated = r["pp"] * (1 if shared else r["pl"]), r["tg"] * r["pl"]
            check("batch", list(r) == BATCH_KEYS and r["is_pp_shared"] == shared and r["n_batch"] == 16, r)
            check("batch", r["n_kv"] == prompts + generated <= r["n_kv_max"], r)
            check("batch", abs(r["t"] - r["t_pp"] - r["t_tg"]) < 1e-5 and r["t_pp"] > 0 and 0 < r["host"] < 100, r)
            check("batch", abs(r["speed_pp"] * r["t_pp"] / prompts - 1) < 0.01, r)
            check("batch", (r["speed_tg"] > 0) == (r["tg"] > 0), r)


def refusals():
    for line, code, err in REFUSED:
        done = bench(*line.split(" "))
        check(line, done.returncode == code and err in done.stderr.decode() and not done.stdout, done)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([MAKE_TINY, "."], check=True)
        for test in (batch_table, batch_json, refusals):
            test()
        os.chdir("/")
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())
