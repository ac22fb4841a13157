#!/usr/bin/env python3
"""Expected outputs of the template room, from Python's jinja2 set up as HF transformers sets it up.

    make_fixtures.py                    writes fixtures.json from the constructs in constructs.py
    make_fixtures.py --check BINARY     renders every *.jinja under $INGOT_PEER_SRC (or the files named after BINARY)
                                        over conversations.py with BINARY (test_template_file) and compares

Needs jinja2 3.1.6."""
import datetime
import glob
import json
import os
import subprocess
import sys
import tempfile

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

import conversations

HERE = os.path.dirname(os.path.abspath(__file__))


class Raised(Exception):
    """What a template raised itself."""


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def environment(now):
    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(format):
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=now)
        return moment.strftime(format)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads  # ours has it beyond transformers, for templates that need it
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(template, case):
    """The result as test_template_file writes it; errors that Python raises itself have no text to compare."""
    variables = dict(case.get("extra") or {})
    if case.get("bos") is not None:
        variables["bos_token"] = case["bos"]
    if case.get("eos") is not None:
        variables["eos_token"] = case["eos"]
    for key in ("messages", "tools", "documents"):
        variables.setdefault(key, case.get(key))
    variables.setdefault("add_generation_prompt", bool(case.get("generation")))
    try:
        return {"text": template.render(**variables)}
    except Raised as e:
        return {"error": str(e), "raised": True}
    except Exception as e:  # noqa: BLE001 - whatever Python says is a failure
        return {"error": f"{type(e).__name__}: {e}", "raised": False}


def same(ours, theirs):
    if "text" in theirs or "text" in ours:
        return ours.get("text") == theirs.get("text") and "text" in ours and "text" in theirs
    return ours["raised"] == theirs["raised"] and (not theirs["raised"] or theirs["error"] == ours["error"])


def write_fixtures():
    import constructs
    env = environment(conversations.NOW)
    made = []
    for name, source in constructs.CONSTRUCTS:
        case = {"messages": constructs.MESSAGES, "extra": constructs.VARIABLES, "generation": True, "bos": "<s>"}
        try:
            result = render(env.from_string(source), case)
        except Exception as e:  # noqa: BLE001
            result = {"error": f"{type(e).__name__}: {e}", "raised": False, "compile": True}
        if result.get("raised") is False:
            if os.environ.get("SHOW"):
                print(f"{name}: {result['error']}\n    {source}")
            result = {"fails": "compile" if result.get("compile") else "render"}
        elif "error" in result:
            result = {"raises": result["error"]}
        made.append({"name": name, "source": source, **result})
    head = {"now": conversations.NOW, "bos": "<s>", "messages": constructs.MESSAGES, "variables": constructs.VARIABLES}
    with open(os.path.join(HERE, "fixtures.json"), "w", encoding="utf-8") as f:
        f.write(json.dumps(head, ensure_ascii=False)[:-1] + ',\n"cases": [\n')
        f.write(",\n".join(json.dumps(m, ensure_ascii=False) for m in made) + "\n]}\n")
    print(f"{len(made)} fixtures, {sum('text' in m for m in made)} with text, "
          f"{sum('raises' in m for m in made)} raising, {sum('fails' in m for m in made)} failing")


def check_file(binary, path, cases, cases_path, show):
    source = open(path, encoding="utf-8").read()
    ran = subprocess.run([binary, path, cases_path], capture_output=True)
    try:
        template = environment(conversations.NOW).from_string(source)
    except Exception as e:  # noqa: BLE001
        print(f"{os.path.basename(path)}: jinja2 refuses it: {e}; ours: exit {ran.returncode}")
        return 0, 0, 0, 0
    if ran.returncode:
        print(f"{os.path.basename(path)}: {ran.stderr.decode(errors='replace')[-600:]}")
        return 0, len(cases), 0, 0
    ours = json.loads(ran.stdout)
    equal = texts = raises = 0
    for case, mine in zip(cases, ours):
        theirs = render(template, case)
        texts += "text" in theirs
        raises += bool(theirs.get("raised"))
        if same(mine, theirs):
            equal += 1
        elif show[0] > 0:
            show[0] -= 1
            print(f"DIFFERENT {os.path.basename(path)}: {case['name']}\n  theirs {json.dumps(theirs)[:1500]}\n  ours   {json.dumps(mine)[:1500]}")
    return equal, len(cases), texts, raises


def check(binary, paths):
    if not paths:
        root = os.environ.get("INGOT_PEER_SRC")
        if not root:
            sys.exit("set INGOT_PEER_SRC to the peer's source folder, or name template files")
        paths = sorted(glob.glob(os.path.join(root, "models", "templates", "*.jinja")))
    cases = conversations.cases()
    show = [int(os.environ.get("SHOW", "5"))]
    totals = [0, 0, 0, 0]
    whole = 0
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as f:
        json.dump(cases, f)
        f.flush()
        for path in paths:
            result = check_file(binary, path, cases, f.name, show)
            whole += result[0] == result[1] and result[1] > 0
            if result[0] != result[1]:
                print(f"{os.path.basename(path)}: {result[0]} of {result[1]}")
            totals = [a + b for a, b in zip(totals, result)]
    print(f"{whole} of {len(paths)} templates equal; {totals[0]} of {totals[1]} renderings equal "
          f"({totals[2]} texts, {totals[3]} raised messages, the rest fail on both sides)")
    return 0 if totals[0] == totals[1] and totals[1] else 1


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--check":
        sys.exit(check(sys.argv[2], sys.argv[3:]))
    write_fixtures()
