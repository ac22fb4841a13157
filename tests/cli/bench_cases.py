"""bench_cases.py INGOT MAKE_TINY: benchmarks of many requests at once: what they print, what their numbers must agree with, and what
they refuse."""

import json
import os
import pty
import subprocess
import sys
import tempfile
import time

INGOT, MAKE_TINY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
failures = 0

BATCH_COLUMNS = ["PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"]
BATCH_KEYS = ["n_kv_max", "n_batch", "is_pp_shared", "n_threads", "pp", "tg", "pl", "n_kv", "t_pp", "speed_pp", "t_tg", "speed_tg",
              "t", "speed", "host"]

SERVE_KEYS = ["requests", "completed", "failed", "duration", "prompt_tokens", "cached_tokens", "cache_hit", "generated_tokens",
              "preemptions", "requests_per_second", "prompt_tokens_per_second", "tokens_per_second", "good", "goodput", "host",
              "ttft_ms", "itl_ms", "queue_ms", "e2e_ms"]
GOOD_LINE = '{"t": 0, "pp": 4, "tg": 2}\n'
# a trace's text, what is said about it
BAD_TRACES = [
    ("", "trace: no requests in it"),
    ("\n \t\n", "trace: no requests in it"),
    (GOOD_LINE + "\n{", "trace: line 3: column 1: "),
    ("[1, 2]", "line 1: it must be an object"),
    (GOOD_LINE + '{"pp": 4, "tg": 2}', "line 2: t is missing"),
    (GOOD_LINE + '{"t": 1, "tg": 2}', "line 2: pp is missing"),
    ('{"t": 1, "pp": 2}', "line 1: tg is missing"),
    ('{"t": -1, "pp": 4, "tg": 2}', "line 1: t must be a number from 0 to 10000000"),
    ('{"t": "1", "pp": 4, "tg": 2}', "line 1: t must be a number"),
    ('{"t": 1, "pp": 0, "tg": 2}', "line 1: pp must be a whole number from 1 to 67108864"),
    ('{"t": 1, "pp": 4.5, "tg": 2}', "line 1: pp must be a whole number"),
    ('{"t": 1, "pp": 4, "tg": 99999999}', "line 1: tg must be a whole number"),
    ('{"t": 1, "pp": 4, "tg": 2, "prefix": "a"}', "line 1: prefix must be a whole number"),
    ('{"t": 1, "pp": 4, "tg": 2, "prefix": 3}', "line 1: prefix needs --shared-prefix N"),
    ('{"t": 1, "pp": 4, "tg": 2, "prefx": 3}', "line 1: \"prefx\" is unknown; known: t, pp, tg, prefix"),
    ('{"t": 1, "pp": 4, "tg": 2}\n' + GOOD_LINE, "line 2: t is 0 after 1; sort the lines by t"),
]

# arguments after "bench", exit code, part of standard error
REFUSED = [
    ("tiny.gguf --batch -npl 4097", 2, "-npl takes numbers from 1 to 4096"),
    ("tiny.gguf --batch -npl 0", 2, "-npl takes numbers from 1 to 4096"),
    ("tiny.gguf --batch -npp 0", 2, "-npp takes numbers from 1 to 67108864"),
    ("tiny.gguf --batch -npp 4,x", 2, "not \"4,x\""),
    ("tiny.gguf --batch -ntg ,", 2, "-ntg takes numbers"),
    *[(f"tiny.gguf --batch -npl {given}", 2, f"not \"{given}\"") for given in ("16,", "+4", ",4", "4,,8", "4,+8", "0x4", "-4")],
    ("tiny.gguf --batch -npl 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 2, "at most 16"),
    ("tiny.gguf --batch -p 8", 2, "-p does not go with --batch"),
    ("tiny.gguf --batch -n 8", 2, "-n does not go with --batch"),
    ("tiny.gguf --batch -d 8", 2, "-d does not go with --batch"),
    ("tiny.gguf --batch -r 2", 2, "-r does not go with --batch"),
    ("tiny.gguf --batch --ops", 2, "--ops does not go with --batch"),
    ("tiny.gguf -npl 8", 2, "-npl goes with --batch or --serve-sim only"),
    ("tiny.gguf -pps", 2, "-pps goes with --batch only"),
    ("tiny.gguf --batch -npl 8 -b 4", 2, "give -b 8 or fewer -npl"),
    ("tiny.gguf --batch -tgs", 2, "there is no -tgs: sequences always generate together"),
    ("tiny.gguf --rate 3", 2, "--rate goes with --serve-sim only"),
    ("tiny.gguf --batch --trace x", 2, "--trace does not go with --batch"),
    ("tiny.gguf --batch --serve-sim", 2, "measured one at a time"),
    ("tiny.gguf --serve-sim -pps", 2, "-pps does not go with --serve-sim"),
    ("tiny.gguf --serve-sim -npp 4,5", 2, "-npp takes one number with --serve-sim"),
    ("tiny.gguf --serve-sim -npl 4,5", 2, "-npl takes one number with --serve-sim"),
    ("tiny.gguf --serve-sim -npl 8 -b 4", 2, "give -b 8 or a smaller -npl"),
    ("tiny.gguf --serve-sim -o csv", 2, "not csv"),
    ("tiny.gguf --serve-sim --requests 0", 2, "--requests takes a whole number from 1 to 1048576"),
    ("tiny.gguf --serve-sim -s 4294967296", 2, "-s takes a whole number from 1 to 4294967295"),
    ("tiny.gguf --serve-sim --kv-tokens 99999999999999", 2, "--kv-tokens takes a whole number from 1 to 1000000000000"),
    ("tiny.gguf --serve-sim --rate 1e-300", 2, "--rate 1e-300 is too slow for 100 requests"),
    ("tiny.gguf --serve-sim --rate nan", 2, "--rate takes a number"),
    ("tiny.gguf --serve-sim --spread 1.5", 2, "--spread takes a number from 0 to 1"),
    ("tiny.gguf --serve-sim --requests 1000000 -ntg 1000", 2, "tokens to generate; at most 134217728"),
    ("tiny.gguf --serve-sim --trace nofile", 1, "cannot open nofile: No such file or directory; check the path"),
    *[(f"tiny.gguf --serve-sim --trace nofile {given}", 2, f"{given.split(' ')[0]} does not go with --trace")
      for given in ("-npp 4", "-ntg 4", "--spread 0", "--requests 3", "--rate 3")],
    ("tiny.gguf --batch -npp 67108864 -ntg 1 -npl 64", 1, "are free; fewer (-npl) or shorter ones or a smaller cache type"),
    ("tiny.gguf --serve-sim -npp 67108864 -ntg 8 --requests 3 -npl 4096", 1, "are free; fewer (-npl) or shorter ones would help"),
    ("vocab.gguf --batch", 1, "vocab.gguf: the file holds a vocabulary and no weights"),
    ("vocab.gguf --serve-sim", 1, "vocab.gguf: the file holds a vocabulary and no weights"),
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
            check("batch", abs(r["t"] - r["t_pp"] - r["t_tg"]) < 1e-5 and r["t_pp"] > 0, r)
            check("batch", 0 < r["host"] < 100 if r["tg"] else r["host"] == 0, r)
            check("batch", abs(r["speed_pp"] * r["t_pp"] / prompts - 1) < 0.01, r)
            check("batch", (r["speed_tg"] > 0) == (r["tg"] > 0), r)


def batch_on_a_busy_machine():
    # Threads that wait for a core between one reading of a clock and the next must not bend the times.
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    for _ in range(20):
        args = ["tiny.gguf", "--batch", "-t", "1", "-npp", "1", "-ntg", "4", "-npl", ",".join("1" * 16), "--json"]
        began = time.monotonic()
        rows = [json.loads(line) for line in lines(*args)]
        took = time.monotonic() - began
        check("busy", all(r["t_pp"] > 0 and r["t_tg"] > 0 for r in rows) and sum(r["t"] for r in rows) < took, (took, rows))
    for process in busy:
        process.kill()
        process.wait()


def serve(*args):
    result = json.loads("\n".join(lines("tiny.gguf", "--serve-sim", "-t", "1", "--json", *args)))
    check("serve", list(result) == SERVE_KEYS and result["completed"] == result["requests"], result)
    for measure in SERVE_KEYS[-4:]:
        m = result[measure]
        check("serve", 0 <= m["p50"] <= m["p90"] <= m["p99"] and m["mean"] >= 0, (measure, result))
    check("serve", result["queue_ms"]["p50"] <= result["ttft_ms"]["p50"] <= result["e2e_ms"]["p50"], result)
    check("serve", abs(result["goodput"] * result["duration"] - result["good"]) < 0.01 * result["requests"] + 1e-3, result)
    return result


def serve_drawn():
    same = ("--requests", "30", "-npp", "40", "-ntg", "6", "-npl", "4")
    result = serve(*same, "--spread", "0")
    check("serve", (result["prompt_tokens"], result["generated_tokens"], result["cached_tokens"]) == (1200, 180, 0), result)
    check("serve", result["good"] == 30, result)
    drawn = [(r["prompt_tokens"], r["generated_tokens"]) for r in (serve(*same), serve(*same), serve(*same, "-s", "7"))]
    check("serve", drawn[0] == drawn[1] != drawn[2] and 30 * 20 <= drawn[0][0] <= 30 * 60, drawn)
    result = serve(*same, "--ttft-slo", "0.0001")
    check("serve", result["good"] == 0 and result["goodput"] == 0, result)
    result = serve(*same, "--itl-slo", "0.000001")
    check("serve", result["good"] < 30, result)  # tokens that come together have no time between them
    # A rate spreads the arrivals: thirty at 300 a second take a tenth of a second in the mean.
    result = serve(*same, "--rate", "300")
    check("serve", 0.03 < result["duration"], result)
    table = lines("tiny.gguf", "--serve-sim", *same)
    check("serve", table[0] == "| ms | mean | p50 | p90 | p99 |" and [row.split(" ")[1] for row in table[2:6]] ==
          ["ttft", "itl", "queue", "e2e"] and table[7].startswith("requests            30 in "), table)


def serve_shares():
    # One after the other, so that each finds what the first one left.
    shared = ("--requests", "10", "-npp", "4", "-ntg", "2", "-npl", "1", "--shared-prefix", "96")
    result = serve(*shared, "--spread", "0")
    check("serve", result["cached_tokens"] == 9 * 96 and abs(result["cache_hit"] - 0.864) < 1e-6, result)
    # Lengths are drawn of what comes behind: no prompt is a mere beginning of the prefix.
    result = serve(*shared, "--spread", "1")
    check("serve", result["cached_tokens"] == 9 * 96 and 970 <= result["prompt_tokens"] <= 1040, result)
    with open("trace", "w") as f:
        for i in range(9):
            f.write(json.dumps({"t": i / 100, "pp": 70, "tg": 2, "prefix": i % 3}) + "\n\n")
        f.write('{"t": 0.1, "pp": 70, "tg": 2}\n')
    result = serve("--trace", "trace", "-npl", "1", "--shared-prefix", "64", "--kv-tokens", "2000")
    check("serve", result["cached_tokens"] == 6 * 64 and result["prompt_tokens"] == 700 and result["duration"] > 0.1, result)


def serve_shows_progress():
    with open("trace", "w") as f:
        f.writelines(json.dumps({"t": t, "pp": 4, "tg": 2}) + "\n" for t in (0, 1.2, 1.7))
    for terminal in (True, False):
        ours, theirs = pty.openpty() if terminal else os.pipe()
        done = subprocess.run([INGOT, "bench", "tiny.gguf", "--serve-sim", "--trace", "trace"], stdout=subprocess.PIPE,
                              stderr=theirs, timeout=60)
        os.write(theirs, b".")
        shown = b""
        while not shown.endswith(b"."):
            shown += os.read(ours, 65536)
        check("progress", done.returncode == 0 and (b"\rserving [" in shown) == terminal, (done, shown))
        check("progress", shown.endswith(b" \r.") if terminal else shown == b".", shown)
        os.close(ours)
        os.close(theirs)


def serve_short_of_memory():
    # Eight sequences that begin in one page each and end in four, in memory for three of them.
    result = serve("--requests", "8", "-npp", "20", "-ntg", "100", "--spread", "0", "-npl", "8", "--kv-tokens", "360")
    check("serve", result["preemptions"] > 0 and result["generated_tokens"] == 800, result)
    # A request that memory can never hold fails alone.
    with open("trace", "w") as f:
        f.write('{"t": 0, "pp": 4, "tg": 4}\n{"t": 0, "pp": 200, "tg": 2}\n{"t": 0, "pp": 4, "tg": 4}\n')
    done = bench("tiny.gguf", "--serve-sim", "--trace", "trace", "--kv-tokens", "1", "--json")
    result = json.loads(done.stdout)
    check("serve", done.returncode == 1 and b"1 of 3 requests failed: the longest takes 202 tokens" in done.stderr and
          b"give more --kv-tokens" in done.stderr, done)
    check("serve", (result["completed"], result["failed"], result["generated_tokens"]) == (2, 1, 8), result)


def bad_traces():
    for text, says in BAD_TRACES:
        with open("trace", "w") as f:
            f.write(text)
        done = bench("tiny.gguf", "--serve-sim", "--trace", "trace")
        check("trace", done.returncode == 1 and says in done.stderr.decode() and not done.stdout, (text, done))


def lost_output():
    for args in (["--batch", "-npp", "4", "-ntg", "1", "-npl", "1"], ["--serve-sim", "--requests", "2", "-npp", "4", "-ntg", "2"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([INGOT, "bench", "tiny.gguf", *args], stdout=full, stderr=subprocess.PIPE, timeout=60)
        check("full disk", done.returncode == 1 and b"cannot write" in done.stderr, (args, done))


def refusals():
    for line, code, err in REFUSED:
        done = bench(*line.split(" "))
        check(line, done.returncode == code and err in done.stderr.decode() and not done.stdout, done)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([MAKE_TINY, "."], check=True)
        for test in (batch_table, batch_json, batch_on_a_busy_machine, serve_drawn, serve_shares, serve_shows_progress,
                     serve_short_of_memory, bad_traces, lost_output, refusals):
            test()
        os.chdir("/")
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())
