"""cli_cases.py INGOT MAKE_TINY: commands with exact expected output, and what they do with hostile arguments and machines.

Every case gives arguments, what must be on standard output (text, or a compiled pattern for what varies), the exit code and a
piece of standard error. MODEL names in the table are files of make_tiny.
"""

import hashlib
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time

INGOT, MAKE_TINY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
failures = 0

GEMMA = ("{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}"
         "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}")
FILES = {
    "ids": b"104 105, 97\n",
    "ids-nul": b"1 2\x003",
    "ids-words": b"1 two 3",
    "ids-far": b"1 300",
    "ids-negative": b"-1",
    "ids-huge": b"1 99999999999999999999",
    "ids-many": " ".join(str(i % 250) for i in range(150)).encode(),
    "empty": b"",
    "escapes": b"a\\n\\\0\\x41\\'\\t\\",
    "hello": b"hello",
    "hello-line": b"hello\n",
    "invalid": b"a\xff\xfe\xc3b",
    "gemma": GEMMA.encode(),
    "raises": b"{{ raise_exception('only two roles here') }}",
    "raises-long": b"{{ raise_exception('one\\n' ~ 'x' * 600) }}",
    "syntax": b"{% for m in messages %}",
    "clock": b"{{ strftime_now('%Y-%m-%d %H:%M') }}",
    "tools": b'[{"type": "function", "function": {"name": "f"}}]',
    "tool-template": b"{{ tools[0].function.name }}{{ bos_token }}{{ eos_token }}{{ extra }}",
    "messages": b'[{"role": "user", "content": "h\\u00e9"}]',
    "not-messages": b'{"role": "user"}',
    "not-json": b"[{",
    "cut.gguf": None,  # made below
    "junk.gguf": b"this is no model",
}
RENDERED = "<start_of_turn>user\nh\u00e9<end_of_turn>\n<start_of_turn>model\n"

# arguments, standard output, exit code, part of standard error
CASES = [
    # What is asked for in a fixed form.
    ("tokenize tiny.gguf -p hello --ids", "[260, 108, 108, 111]\n", 0, ""),
    ("tokenize bos.gguf -p hello --ids", "[256, 260, 108, 108, 111]\n", 0, ""),
    ("tokenize bos.gguf -p hello --ids --no-bos", "[260, 108, 108, 111]\n", 0, ""),
    ("tokenize bos.gguf -p a<end_of_turn> --ids", "[256, 97, 259]\n", 0, ""),
    ("tokenize bos.gguf -p <eos> --ids --no-bos --no-parse-special", "[60, 101, 111, 115, 62]\n", 0, ""),
    ("tokenize vocab.gguf -f hello-line --ids", "[256, 260, 108, 108, 111, 10]\n", 0, ""),
    ("tokenize tiny.gguf -f empty --ids", "[]\n", 0, ""),
    ("tokenize tiny.gguf -p a\\nb --ids", "[97, 10, 98]\n", 0, ""),
    ("tokenize tiny.gguf -p a\\nb --ids --no-escape", "[97, 92, 110, 98]\n", 0, ""),
    ("tokenize tiny.gguf -f invalid --ids", re.compile(r"\[97, .*98\]\n"), 0, ""),
    ("tokenize tiny.gguf -f escapes --ids", "[97, 10, 92, 0, 65, 39, 9, 92]\n", 0, ""),
    ("tokenize tiny.gguf --stdin --ids --log-disable < escapes", "[97, 10, 92, 0, 65, 39, 9, 92]\n", 0, ""),
    ("tokenize tiny.gguf -f escapes --ids --no-escape", "[97, 92, 110, 92, 0, 92, 120, 52, 49, 92, 39, 92, 116, 92]\n", 0, ""),
    ("tokenize tiny.gguf -p hi --ids --show-count", "[104, 105]\nTotal number of tokens: 2\n", 0, ""),
    ("tokenize tiny.gguf -p hi", "   104 -> 'h'\n   105 -> 'i'\n", 0, ""),
    ("tokenize tiny.gguf -p hi --show-count", "   104 -> 'h'\n   105 -> 'i'\nTotal number of tokens: 2\n", 0, ""),
    ("detokenize vocab.gguf --ids ids", "hia", 0, ""),
    ("template --template-file gemma --messages messages", RENDERED, 0, ""),
    ("template tiny.gguf --messages messages --bos <b>", "<b>" + RENDERED, 0, ""),
    ("template vocab.gguf --messages messages --no-generation-prompt", "<bos>" + RENDERED[:RENDERED.rindex("<start")], 0, ""),
    ("template --template-file tool-template --messages messages --tools tools --bos B --eos E", "fBE", 0, ""),
    ("template --template-file clock --messages messages --now 2024-07-26T12:30:00", "2024-07-26 12:30", 0, ""),
    ("template --template-file raises --messages messages", "", 1, re.compile(r"\Aonly two roles here\n\Z")),
    ("template --template-file raises-long --messages messages", "", 1, re.compile(r"\Aone\nx{600}\n\Z")),
    ("template --template-file syntax --messages messages", "", 1, "endfor"),
    ("template --template-file gemma --messages not-messages", "", 1, "messages must be a JSON array"),
    ("template --template-file gemma --messages not-json", "", 1, "line 1"),
    ("template --template-file clock --messages messages --now 2024-02-29", "2024-02-29 00:00", 0, ""),
    ("template --template-file clock --messages messages --now 2024-07-26T12:30Z", "2024-07-26 12:30", 0, ""),
    ("template --template-file clock --messages messages --now 2024-07-26T12:30:01.5+02:00", "2024-07-26 12:30", 0, ""),
    *[(f"template --template-file clock --messages messages --now {wrong}", "", 2, "--now takes a time")
      for wrong in ("yesterday", "2023-02-29", "2024-02-31T10:00:00", "2024-01-01T24:00:00", "2024-01-01T10:60", "2024-1-1",
                    "2024-07-26T12:30:00+2", "2024-07-26T12:30:00.", "99999999999-01-01", "2024-07-26T", "1970-01-01T00:00:00")],
    ("template --template-file gemma --messages messages --tools ids-nul", "", 1, "ids-nul: a zero byte"),
    ("template q8.gguf --messages messages", "", 1, "no chat template"),
    ("template broken.gguf --messages messages", "", 1, "correct the template"),
    ("template --messages messages", "", 2, "--template-file"),
    ("template tiny.gguf", "", 2, "--messages"),
    # Text.
    ("run tiny.gguf -p hello\\x20t -n 6 --temp 0 -q", "hello tuvwxyz", 0, ""),
    ("run q8.gguf -p t -n 6 --temp 0 -q", "tuvwxyz", 0, ""),
    ("run bos.gguf -p t -n 6 --temp 0 -q --device ref", "tuvwxyz", 0, ""),
    ("run tiny.gguf -p t -q", "tuvwxyz.", 0, ""),
    ("run tiny.gguf -p t -q --no-display-prompt", "uvwxyz.", 0, ""),
    ("run tiny.gguf -p t -n 0 -q", "t", 0, ""),
    ("run tiny.gguf -f hello-line -q", "hellopqrstuvwxyz.", 0, ""),
    ("run tiny.gguf -q < hello-line", "hellopqrstuvwxyz.", 0, ""),
    ("run tiny.gguf -f escapes -n 1 -q --no-escape", re.compile(r"a\\n.*"), 0, ""),
    ("run tiny.gguf -p t -n2 -t1 -q --temperature 0", "tuv", 0, ""),
    ("run tiny.gguf -p t --n_predict 2 -t -1 -q", "tuv", 0, ""),
    # A message is answered once, where there is a template.
    ("run tiny.gguf what is it?", "xyz.\n", 0, ""),
    ("run -m tiny.gguf hi", "xyz.\n", 0, ""),
    ("run tiny.gguf hi -no-cnv -q -n 3", "hijkl", 0, ""),
    ("run q8.gguf hi -q -n 3", "hijkl", 0, "no chat"),
    ("run tiny.gguf -p 0 -n 12 -q -r 34", "0\u00e912", 0, ""),
    ("run tiny.gguf -p w -q -r y\\x7a", "wx", 0, ""),
    ("run tiny.gguf -p w -q -r y\\x7a --no-escape", "wxyz.", 0, ""),
    ("run tiny.gguf -p 0 -n 1 -q", "0\ufffd", 0, ""),  # half a character at the end
    ("run tiny.gguf -p t -n 2", "tuv", 0, "generated 2 at"),
    ("run tiny.gguf -p t -n 3 --json", re.compile(r'\{"text": "uvw", "stop": "length", "prompt_tokens": 1, '), 0, ""),
    ("run tiny.gguf -p t -n 3 -q -l 117-100 -l 65+100", "tAAA", 0, ""),
    ("run tiny.gguf -p z -n 3 -q --ignore-eos --special --temp 0", re.compile("z\\.."), 0, ""),
    ("run tiny.gguf -p A -q -c 16 -b 1", "ABCDEFGHIJKLMNOPQ", 0, "the context of 16 tokens is full"),
    ("run tiny.gguf -p A -n 5 -q -t 64", "ABCDEF", 0, ""),
    ("run tiny.gguf -p A -n 5 -c 513", "ABCDEF", 0, "trained for 512 tokens of context; 513"),
    ("run tiny.gguf -p A -n 5 -q -ctk q8_0 -ctv q8_0", "ABCDEF", 0, ""),
    # Chat without a terminal.
    ("run tiny.gguf -cnv -st -p hi", "xyz.\n", 0, ""),
    ("run tiny.gguf -cnv -st < hello-line", "xyz.\n", 0, ""),
    ("run tiny.gguf -cnv < hello-line", "xyz.\n", 0, ""),
    ("run tiny.gguf -sys brief -st -p hi --json", re.compile(r'\{"text": "xyz\.", "stop": "eos", "prompt_tokens": 33, '), 0, ""),
    ("run q8.gguf -st -p hi --chat-template-file gemma", "xyz.\n", 0, ""),
    ("run bos.gguf -st -p hi --chat-template-file gemma --json", re.compile(r'.*"prompt_tokens": 18, '), 0, ""),
    ("run bos.gguf -st -p hi --chat-template {{messages[0].content}}A -n 3", "BCD\n", 0, ""),
    ("run q8.gguf -cnv -st -p hi", "", 1, "no chat template"),
    ("run broken.gguf -cnv -st -p hi", "", 1, "correct the template"),
    ("run tiny.gguf -cnv -no-cnv -p hi", "", 2, "contradicts"),
    ("run tiny.gguf -cnv -st -p hi -sysf nofile", "", 1, "nofile: No such file"),
    # Facts.
    ("info tiny.gguf", re.compile(r"format +GGUF v3, 23 keys, 21 tensors, 0\.8 MiB\narchitecture +llama\nname +tiny\n"), 0, ""),
    ("info vocab.gguf", re.compile(r"format +GGUF v3, 23 keys, 0 tensors"), 0, ""),
    ("info tiny.gguf --fit", re.compile(r"(?s)weights +0\.8 MiB \(as in the file\)\n.*fits"), 0, ""),
    ("info tiny.gguf --tensors", re.compile(r"(?s).*token_embd\.weight +F32 +\[261, 128\] 133632 bytes"), 0, ""),
    ("logits tiny.gguf --ids ids --out logits", "", 0, ""),
    ("info --archs", re.compile(r"(?s)llama\n.*\ngemma3\n"), 0, ""),
    ("info --archs --json", re.compile(r'\["llama", [^]]*"gemma3"[^]]*"\]\n'), 0, ""),
    ("info nasty.gguf", re.compile(r"(?s)[^\x00-\x09\x0b-\x1f\x7f-\x9f]*name +evil\\x1b\]0;owned\\x07\\xc2\\x9b31m\\xff\n"), 0, ""),
    ("info nasty.gguf --metadata", re.compile(r"(?s)[^\x00-\x09\x0b-\x1f\x7f-\x9f]*\Z"), 0, ""),
    ("help run", re.compile(r"ingot run: "), 0, ""),
    ("--version", re.compile(r"ingot \d+\.\d+\.\d+\n"), 0, ""),
    # Usage.
    ("", "", 2, "Commands:"),
    ("frobnicate", "", 2, "unknown command"),
    ("run", "", 2, "no model given"),
    ("run tiny.gguf --frobnicate", "", 2, "unknown option --frobnicate"),
    ("run tiny.gguf -n", "", 2, "-n needs N"),
    ("run tiny.gguf --temperatur 1", "", 2, "is it --temperature?"),
    ("run tiny.gguf --treads 1", "", 2, "is it --threads?"),
    ("run tiny.gguf -ngl 99", "", 2, "there is no -ngl: this version has no GPU backend"),
    ("run tiny.gguf --no_mmap", "", 2, "there is no --no_mmap: weights are"),
    ("run tiny.gguf -n many", "", 2, "-n takes a whole number of at least -2, not \"many\""),
    ("run tiny.gguf -nx", "", 2, "unknown option -nx"),
    ("run tiny.gguf --temp nan", "", 2, "--temp takes a number, not"),
    ("run tiny.gguf --temp inf", "", 2, "--temp takes a number, not"),
    ("run tiny.gguf --temp 1e99 -p a", "", 2, "--temp takes a number, not"),
    ("run tiny.gguf --top-p=", "", 2, "--top-p takes a number from 0 to 1"),
    ("run tiny.gguf -t -2", "", 2, "-t takes a whole number from -1 to 256"),
    ("run tiny.gguf -t257", "", 2, "-t takes a whole number from -1 to 256"),
    ("run tiny.gguf -c 1e3", "", 2, "-c takes a whole number from 0 to 134217728"),
    ("run tiny.gguf -c 999999999999", "", 2, "-c takes"),
    ("run tiny.gguf -p a --top-p 2", "", 2, "--top-p takes a number from 0 to 1"),
    ("run tiny.gguf -p a --min-p -1", "", 2, "--min-p takes a number from 0 to 1"),
    ("run tiny.gguf -p a --repeat-penalty 0", "", 2, "--repeat-penalty takes a number above 0"),
    ("run tiny.gguf --ignore-eos=1", "", 2, "takes no value"),
    ("info tiny.gguf q8.gguf", "", 2, "too many arguments: \"q8.gguf\""),
    ("tokenize tiny.gguf hello", "", 2, "too many arguments: \"hello\""),
    ("run tiny.gguf -m q8.gguf -p a", "", 2, "two models are given"),
    ("run tiny.gguf hello -p a", "", 2, "-p and a message behind the model both give the text"),
    ("run tiny.gguf -p a -f hello", "", 2, "-p and -f both give the text"),
    ("tokenize tiny.gguf -p a -f hello --ids", "", 2, "-p and -f both give the text"),
    ("tokenize tiny.gguf -f hello --stdin --ids", "", 2, "-f and --stdin both give the text"),
    ("tokenize tiny.gguf -p a --escape --no-escape", "", 2, "--escape contradicts --no-escape"),
    ("tokenize tiny.gguf -p a --json --show-count", "", 2, "--show-count is no JSON"),
    ("run tiny.gguf -st -p a --chat-template chatml", "", 2, "\"chatml\" has nothing to fill in"),
    ("info tiny.gguf --fit --plan", "", 2, "leave out --fit or --plan"),
    ("info tiny.gguf --fit --tensors", "", 2, "leave out --metadata and --tensors"),
    ("info tiny.gguf -np 4", "", 2, "-np goes with --fit only"),
    ("info tiny.gguf --fit -np 4097", "", 2, "-np takes a whole number from 1 to 4096"),
    ("info tiny.gguf --fit -ctk q9", "", 1, "cache type \"q9\""),
    ("info vocab.gguf --fit", "", 1, "vocab.gguf: the file holds a vocabulary and no weights"),
    ("info", "", 2, "no model given"),
    ("info tiny.gguf --archs", "", 2, "--archs is about no model"),
    ("bench tiny.gguf --json -o csv", "", 2, "--json contradicts -o csv"),
    ("bench tiny.gguf --json --ops", "", 2, "--ops prints text"),
    ("help frobnicate", "", 2, "unknown command"),
    ("run tiny.gguf -p a -l 5", "", 2, "--logit-bias takes"),
    ("run tiny.gguf -p a -l 5+nan", "", 2, "--logit-bias takes"),
    ("tokenize tiny.gguf", "", 2, "-p TEXT, -f FILE or --stdin"),
    ("logits tiny.gguf --ids ids", "", 2, "--out"),
    ("bench tiny.gguf -p x", "", 2, "-p takes numbers from 0 to 67108864"),
    ("bench tiny.gguf -p 0 -n 0", "", 2, "nothing to measure"),
    ("bench tiny.gguf -p 4000000000 -d 4000000000", "", 2, "at most"),
    ("perplexity tiny.gguf -f hello -c 2", "", 2, "-c must be"),
    ("perplexity tiny.gguf -f hello --kl-divergence", "", 2, "--kl-divergence-base"),
    # Inputs are not replaced by outputs, nor are models.
    ("logits tiny.gguf --ids ids --out tiny.gguf", "", 2, "tiny.gguf would be replaced, and it is read"),
    ("logits tiny.gguf --ids ids --out ./ids", "", 2, "ids would be replaced, and it is read"),
    ("logits tiny.gguf --ids ids --out q8.gguf", "", 2, "q8.gguf is a model"),
    ("perplexity tiny.gguf -f hello --kl-divergence-base tiny.gguf", "", 2, "tiny.gguf would be replaced"),
    # What cannot work says why.
    ("run tiny.gguf -p a -l 5000+1", "", 1, "5000"),
    ("run tiny.gguf -p a --samplers top_k;nonsense", "", 1, "nonsense"),
    ("run tiny.gguf -p ", "", 1, "the prompt is empty"),
    ("run tiny.gguf -f empty", "", 1, "the prompt is empty"),
    ("run nofile.gguf -p a", "", 1, "nofile.gguf"),
    ("run . -p a", "", 1, ". is a folder"),
    ("run empty -p a", "", 1, "empty"),
    ("run junk.gguf -p a", "", 1, "junk.gguf"),
    ("run cut.gguf -p a", "", 1, "cut.gguf"),
    ("run vocab.gguf -p a", "", 1, "vocab.gguf: the file holds a vocabulary and no weights"),
    ("run tiny.gguf -f nofile", "", 1, "nofile: No such file"),
    ("run tiny.gguf -f .", "", 1, "directory"),
    ("run tiny.gguf -p aaaaaaaaaaaa -c 8", "", 1, "do not fit the context of 8"),
    ("run tiny.gguf -p a -ctk q9", "", 1, "cache type \"q9\""),
    ("run tiny.gguf -p a --device tpu", "", 1, "device \"tpu\""),
    ("run tiny.gguf -p a --cpu-isa sse9", "", 1, "sse9"),
    ("detokenize vocab.gguf --ids ids-words", "", 1, "offset 2"),
    ("detokenize vocab.gguf --ids ids-nul", "", 1, "offset 3"),
    ("detokenize vocab.gguf --ids ids-huge", "", 1, "offset 2"),
    ("logits tiny.gguf --ids ids-far --out l", "", 1, "token 1 is 300"),
    ("logits tiny.gguf --ids ids-negative --out l", "", 1, "token 0 is -1"),
    ("logits tiny.gguf --ids empty --out l", "", 1, "0 ids"),
    ("logits tiny.gguf --ids ids --out nodir/l", "", 1, "nodir/l"),
    ("logits tiny.gguf --ids ids --out /dev/full", "", 1, "device"),
    ("logits tiny.gguf --ids ids --out .", "", 1, "folder"),
    ("perplexity tiny.gguf -f hello", "", 1, "at least"),
    ("perplexity nan.gguf -f ids-many -c 64 --json", "", 1, "nan.gguf: logits that are no numbers"),
    ("perplexity tiny.gguf -f ids-many --kl-divergence --kl-divergence-base hello", "", 1, "base"),
]


def fail(name, message):
    global failures
    failures += 1
    print(f"FAILED {name}: {message}", file=sys.stderr)


def run(args, stdin=None, **more):
    return subprocess.run([INGOT, *args], stdin=stdin or subprocess.DEVNULL, capture_output=True, timeout=120, **more)


def matches(want, got):
    return bool(want.match(got)) if isinstance(want, re.Pattern) else want == got


def run_case(line, out, code, err):
    command, _, source = line.partition(" < ")
    args = command.split(" ") if command else []
    stdin = open(source, "rb") if source else None
    before = set(os.listdir("."))
    done = run(args, stdin)
    got, said = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if done.returncode != code:
        fail(line, f"exit code {done.returncode}, not {code}; {said!r}")
    if not matches(out, got):
        fail(line, f"printed {got!r}, not {out!r}; {said!r}")
    if not (err in said if isinstance(err, str) else err.match(said)):
        fail(line, f"said {said!r}, not {err!r}")
    if code == 0 and "ingot:" in said:
        fail(line, f"an error with exit code 0: {said!r}")
    left = {name for name in set(os.listdir(".")) - before if name != "logits"}
    if left:
        fail(line, f"left {left}")


def check(name, condition, message=""):
    if not condition:
        fail(name, message)


# ---- what does not fit the table ----------------------------------------------------------------------------------


def logits_file():
    """The fixed layout; bytes that depend on neither threads nor batch."""
    seen = set()
    for threads, batch in ((1, 64), (2, 1), (2, 7), (3, 150), (1, 4096)):
        done = run(["logits", "tiny.gguf", "--ids", "ids-many", "--out", "l", "-t", str(threads), "-b", str(batch)])
        check("logits", done.returncode == 0, done.stderr)
        with open("l", "rb") as f:
            data = f.read()
        seen.add(hashlib.sha256(data).hexdigest())
        rows, width = struct.unpack("<ii", data[:8])
        check("logits", (rows, width) == (150, 261) and len(data) == 8 + rows * width * 4, (rows, width, len(data)))
        last = struct.unpack(f"<{width}f", data[-width * 4:])
        check("logits", last.index(max(last)) == 150, f"the token after 149 is {last.index(max(last))}")
    check("logits", len(seen) == 1, "bytes depend on -t or -b")
    os.remove("l")


def bench_json():
    done = run(["bench", "tiny.gguf", "-p", "8,16", "-n", "4", "-d", "0,8", "-r", "2", "-t", "1", "--json"])
    result = json.loads(done.stdout)
    names = [r["test"] for r in result["results"]]
    check("bench", names == ["pp8", "pp16", "tg4", "pp8 @ d8", "pp16 @ d8", "tg4 @ d8"], names)
    for r in result["results"]:
        check("bench", 0 < r["min"] <= r["median"] <= r["max"] and r["roof_share"] > 0, r)
    check("bench", done.stdout.count(b"\n") == 1, "more than one line")
    for args in ("-p 0 -n 1", "-p 0 -n 2 -d 3", "-p 1 -n 3"):
        done = run(["bench", "tiny.gguf", *args.split(), "-r", "1", "--json"])
        check("bench", done.returncode == 0, (args, done))


def info_json():
    result = json.loads(run(["info", "tiny.gguf", "--json", "--metadata", "--tensors"]).stdout)
    check("info", result["architecture"] == "llama" and result["parameters"] == 214912 and len(result["tensors"]) == 21, "")
    check("info", result["metadata"]["llama.context_length"] == 512, "")
    nasty = json.loads(run(["info", "nasty.gguf", "--json", "--metadata"]).stdout)
    check("info", nasty["metadata"]["k" * 300] == 2**64 - 1, "long key, large number")
    plan = json.loads(run(["info", "tiny.gguf", "--json", "--plan"]).stdout)
    check("info", plan["backend"] == "cpu" and plan["weight_bytes"] > 800000, "plan")
    check("info", b"linear" in run(["info", "tiny.gguf", "--plan"]).stdout, "plan as text")


def info_fit():
    def ask(*args):
        return json.loads(run(["info", "tiny.gguf", "--json", "--fit", *args]).stdout)
    fit = ask()
    group = fit["groups"][0]
    check("fit", fit["fits"] and fit["kv_pages"] == group["pages"] == 16 and fit["kv_bytes"] == 16 * group["page_bytes"], fit)
    check("fit", (fit["context"], fit["context_trained"], fit["sequences"], fit["page_tokens"]) == (512, 512, 1, 32), fit)
    many = ask("-np", "5", "-c", "100", "-ctk", "q8_0")
    check("fit", many["kv_pages"] == 5 * 4 and many["sequences"] == 5 and many["activation_bytes"] > fit["activation_bytes"], many)
    check("fit", [(t["k"], t["v"]) for t in fit["types"]] == [(t, t) for t in ("f32", "f16", "bf16", "q8_0", "q4_0")], fit)
    check("fit", (many["types"][0]["k"], many["types"][0]["v"]) == ("q8_0", "f16") and len(many["types"]) == 6, many)
    f32, f16 = fit["types"][0], fit["types"][1]
    check("fit", f32["kv_bytes"] == 2 * f16["kv_bytes"] and f16["kv_bytes"] == fit["kv_bytes"], fit)
    check("fit", 512 < f32["context_max"] < f16["context_max"] and 1 < f32["sequences_max"] <= f16["sequences_max"], fit)
    # What is said to fit does, and one page more does not.
    memory = fit["memory_available"]
    for context, fits in ((f32["context_max"], True), (f32["context_max"] * 2, False)):
        told = ask("-c", str(context), "-ctk", "f32", "-ctv", "f32")
        total = told["weight_bytes"] + told["kv_bytes"] + told["activation_bytes"]
        check("fit", (total <= memory) == fits, (context, told, memory))
    table = run(["info", "tiny.gguf", "--fit"]).stdout.decode()
    check("fit", "16 pages, for 1 x 512 tokens" in table and "| sequences of 512 |" in table and "\n| q4_0, q4_0 | " in table, table)


def perplexity():
    with open("text", "w") as f:
        f.write("abcdefghijklmnopqrstuvwxyz" * 20)
    value = json.loads(run(["perplexity", "tiny.gguf", "-f", "text", "-c", "64", "--json"]).stdout)
    check("perplexity", value["tokens"] == 8 * 31, value)
    base = run(["perplexity", "tiny.gguf", "-f", "text", "-c", "64", "--kl-divergence-base", "base"])
    check("perplexity", base.returncode == 0 and os.path.getsize("base") == 20 + 8 * 64 * 4 + 8 * 31 * (262 + 4) * 2,
          os.path.getsize("base"))
    kl = json.loads(run(["perplexity", "q8.gguf", "--kl-divergence-base", "base", "--kl-divergence", "--json"]).stdout)
    check("perplexity", 0 <= kl["kl_mean"] < 1e-3 and kl["same_top"] == 1, kl)
    with open("base", "rb") as f:
        whole = f.read()
    at = 20 + (64 - 1) * 4  # the last token of a chunk is scored and never evaluated
    broken = [(whole[:cut], b"again" if cut > 20 else b"make one") for cut in (4, 15, 30, 3000, len(whole) - 1)]
    broken += [(whole[:at] + struct.pack("<i", token) + whole[at + 4:], b"token 63 is") for token in (2**31 - 1, 261, -1)]
    for data, says in broken:
        with open("base", "wb") as f:
            f.write(data)
        done = run(["perplexity", "q8.gguf", "--kl-divergence-base", "base", "--kl-divergence"])
        check("perplexity", done.returncode == 1 and says in done.stderr, (len(data), done))
    os.remove("base")
    os.remove("text")


def seeds():
    def text(seed):
        return run(["run", "tiny.gguf", "-p", "A", "-n", "40", "-q", "--temp", "9", "--top-k", "0", "--top-p", "1", "--min-p", "0",
                    "-s", seed]).stdout
    check("seeds", text("1") == text("1") != text("2"), "equal seeds, unequal text")
    check("seeds", text("-1") != text("-1"), "a random seed repeats itself")


def help_texts():
    names = re.findall(r"(?m)^  ([a-z]+) ", run(["--help"]).stdout.decode())
    check("help", len(names) >= 8, names)
    for name in names:
        done = run([name, "--help"])
        check("help", done.returncode == 0 and b"Example:" in done.stdout and b"Options:" in done.stdout, name)
        man = run(["--man", name]).stdout.decode()
        check("man", man.startswith(".TH INGOT") and ".SH EXIT STATUS" in man, name)
        check("man", all(not line.startswith(("'", ".SH OPTION ")) for line in man.splitlines()), name)
    completion = run(["--bash-completion"])
    done = subprocess.run(["bash", "-n"], input=completion.stdout, capture_output=True)
    check("completion", done.returncode == 0 and b"complete " in completion.stdout, done.stderr)
    script = completion.stdout + b'\nCOMP_WORDS=(ingot run --tem); COMP_CWORD=2; _ingot; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash"], input=script, capture_output=True)
    check("completion", {b"--temp", b"--temperature", b"--template-file"} == set(done.stdout.split()), done)
    script = completion.stdout + b'\nCOMP_WORDS=(ingot run -ctk q); COMP_CWORD=3; _ingot; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash"], input=script, capture_output=True)
    check("completion", done.stdout == b"q8_0 q4_0\n", done)


def lost_output():
    """A full disk, a closed stream and a reader that went away are never success."""
    commands = (["run", "tiny.gguf", "-p", "A", "-n", "5"], ["tokenize", "tiny.gguf", "-p", "a", "--ids"], ["--help"],
                ["info", "tiny.gguf"], ["info", "tiny.gguf", "--fit"], ["bench", "tiny.gguf", "-p", "8", "-n", "0", "-r", "1"],
                ["template", "tiny.gguf", "--messages", "messages"], ["detokenize", "vocab.gguf", "--ids", "ids"],
                ["run", "tiny.gguf", "-st", "-p", "hi"], ["run", "tiny.gguf", "-p", "A", "-n", "5", "--json"])
    for args in commands:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([INGOT, *args], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=60)
        check("full disk", done.returncode == 1 and b"cannot write" in done.stderr, (args, done))
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", INGOT, *args], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=60)
        check("closed output", done.returncode == 1 and b"cannot write" in done.stderr, (args, done))
    done = subprocess.run(["sh", "-c", f"'{INGOT}' run tiny.gguf -p A -n 400 -c 512 | head -c 3"], capture_output=True, timeout=60)
    check("head", done.stdout == b"ABC" and b"ingot:" not in done.stderr, done)

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for args in (["logits", "tiny.gguf", "--ids", "ids-many", "--out", "big"],
                 ["perplexity", "tiny.gguf", "-f", "ids-many", "-c", "64", "--kl-divergence-base", "big"]):
        done = run(args, preexec_fn=small_files)
        check("file limit", done.returncode == 1 and b"big" in done.stderr, done)
        check("file limit", not [n for n in os.listdir(".") if n.startswith("big")], "something half-written is left")
    done = run(["logits", "tiny.gguf", "--ids", "ids", "--out", "/dev/stdout"])
    check("device", done.returncode == 1 and os.path.islink("/dev/stdout"), done)


def no_permission():
    if os.geteuid() == 0:
        return  # root may read everything
    with open("secret.gguf", "wb") as f:
        f.write(b"GGUF")
    os.chmod("secret.gguf", 0)
    done = run(["run", "secret.gguf", "-p", "a"])
    check("permission", done.returncode == 1 and b"secret.gguf: " in done.stderr, done)
    os.remove("secret.gguf")


def long_prompts():
    with open("long", "wb") as f:
        f.write(b"a" * 1000000)
    done = run(["run", "tiny.gguf", "-f", "long"])
    check("1 MB", done.returncode == 1 and b"1000000 bytes, too many for the context of 512" in done.stderr, done.stderr)
    done = run(["run", "tiny.gguf", "-st", "-f", "long"])
    check("1 MB chat", done.returncode == 1 and b"too many for the context of 512" in done.stderr, done.stderr)
    done = run(["tokenize", "tiny.gguf", "-f", "long", "--ids"])
    check("1 MB", done.returncode == 0 and done.stdout.count(b",") == 999999, done.stderr)
    os.remove("long")
    done = run(["run", "tiny.gguf", "-f", "invalid", "-n", "2", "-q", "--temp", "0"])
    check("invalid UTF-8", done.returncode == 0 and done.stdout.startswith(b"a\xff\xfe\xc3bcd"), done)
    for context in ("0", "134217728"):
        done = run(["run", "tiny.gguf", "-p", "A", "-n", "2", "-q", "-c", context])
        check("context", (done.returncode, done.stdout) == (0, b"ABC") or (done.returncode == 1 and b"ingot:" in done.stderr),
              (context, done))


def interrupts():
    """Ctrl-C while a text is made gives what is there and 130; during load and prompt it ends the program, too."""
    args = [INGOT, "run", "tiny.gguf", "-p", "A", "-c", "200000", "-q"]
    child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = b""
    while len(first) < 4:
        first += os.read(child.stdout.fileno(), 4)
    child.send_signal(signal.SIGINT)
    rest, said = child.communicate(timeout=60)
    check("interrupt", child.returncode == 130 and (first + rest).startswith(b"ABCD"), (child.returncode, said))
    for wait in (0, 0.002, 0.01, 0.05):
        child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(wait)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        check("interrupt", child.returncode in (130, -signal.SIGINT), (wait, child.returncode))
    writers = (["logits", "tiny.gguf", "--ids", "ids-long", "--out", "big", "-b", "1"],
               ["perplexity", "tiny.gguf", "-f", "ids-long", "-c", "64", "-b", "1", "--kl-divergence-base", "big"])
    for writer in writers:
        for signals in ([signal.SIGINT] * 2, [signal.SIGTERM], [signal.SIGHUP]):
            child = subprocess.Popen([INGOT, *writer], stderr=subprocess.PIPE)
            while child.poll() is None and not [n for n in os.listdir(".") if n.startswith("big.tmp")]:
                time.sleep(0.001)
            for sig in signals:
                child.send_signal(sig)
            said = child.communicate(timeout=60)[1]
            left = [n for n in os.listdir(".") if n.startswith("big")]
            check("interrupt", child.returncode == 128 + signals[0] and not left, (writer, signals, child.returncode, left, said))


def colours():
    for env in ({}, {"NO_COLOR": "1"}):
        done = run(["run", "nofile"], env={**os.environ, **env})
        check("colour", b"\x1b" not in done.stderr, "colour where nobody looks")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([MAKE_TINY, "."], check=True)
        with open("tiny.gguf", "rb") as f:
            whole = f.read()
        FILES["cut.gguf"] = whole[:700000]
        FILES["nan.gguf"] = whole[:-4] + struct.pack("<f", float("nan"))
        FILES["ids-long"] = b"5 " * 60000
        for name, data in FILES.items():
            with open(name, "wb") as f:
                f.write(data)
        for case in CASES:
            run_case(*case)
        for test in (logits_file, bench_json, info_json, info_fit, perplexity, seeds, help_texts, lost_output, no_permission,
                     long_prompts, interrupts, colours):
            test()
        os.chdir("/")
    print(f"{len(CASES)} commands, {failures} failures")
    return 1 if failures else 0


sys.exit(main())
