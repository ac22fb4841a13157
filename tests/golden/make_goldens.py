"""Makes the fixtures of the golden tests: models.txt and logits.bin.

    python make_goldens.py spec MODELS > models.txt      from a folder of tiny GGUF models with manifest.json: keys, shapes,
                                                         mean and deviation of every tensor (needs numpy and gguf)
    golden_make models.txt FOLDER                        writes the models again, with weights from names
    python make_goldens.py manifest models.txt FOLDER    writes FOLDER/manifest.json for check_all.py and for the reference
    (a reference program writes LOGITS/NAME.bin: int32 rows, int32 columns, float32 values)
    python make_goldens.py pack models.txt LOGITS logits.bin

models.txt: "model NAME ARCH [PARENT]" starts a model; it takes over the parent's lines. "k KEY TYPE VALUES" sets a key (without
the architecture's prefix; '/' = the whole name; types u f b s, [] = array), "-k KEY" drops one. "t NAME LAW MEAN DEVIATION NE…"
sets a tensor ("blk.0-4.x" stands for five), "-t NAME" drops one. "ids …" are the tokens. logits.bin: for every model that has
logits: name (48 bytes), uint32 columns, uint32 rows, then per row uint32 index and float32 values; little-endian.

The logits come from an independent program in float64 that follows docs/ops.md; it was compared with another engine where both
compute the same function (normalised squared error at most 1e-11 without GELU).
"""
import json
import re
import struct
import sys
from pathlib import Path

POSITIVE = ("rope_freqs", "rope_factors", "ffn.act.scales")
LATER = set("""llama-embed qwen3tts graniteswitch nanbeige hrm_text cogvlm chameleon minimax-m3 llada-moe rnd1 dream llada""".split())
# Where we differ on purpose from the engine whose models these are: a key it does not read.
MORE_KEYS = {"qwen2vl": ["k attention.layer_norm_rms_epsilon f 0.01"]}
# Scales of quantised matrices, everywhere.
MORE_MODELS = """
model llama+scale llama llama
t blk.0-1.attn_q.scale n 1 0.3 1
t blk.0-1.attn_k.scale n 1 0.3 1
t blk.0-1.attn_v.scale n 1 0.3 1
t blk.0-1.attn_output.scale n 1 0.3 1
t blk.0-1.ffn_gate.scale n 1 0.3 1
t blk.0-1.ffn_up.scale n 1 0.3 1
t blk.0-1.ffn_down.scale n 1 0.3 1
t output.scale n 1 0.3 1
t blk.0.attn_q.input_scale n 1 0.3 1
model gpt-oss+scale gpt-oss gpt-oss
t blk.0-4.ffn_gate_exps.scale n 1 0.3 8
t blk.0-4.ffn_up_exps.scale n 1 0.3 8
t blk.0-4.ffn_down_exps.scale n 1 0.3 8
t blk.0-4.attn_output.scale n 1 0.3 1
model granite_swa+scale granite_swa granite_swa
t blk.0-4.ffn_up_exps.scale n 1 0.3 8
t blk.0-4.ffn_up_shexp.scale n 1 0.3 1
"""


def spec(folder):
    import numpy as np
    from gguf import GGUFReader
    manifest = json.loads((folder / "manifest.json").read_text())
    done = {}
    for name, entry in manifest.items():
        arch = entry["arch"]
        if arch in LATER or entry["family"] not in ("dense", "mixed") and arch != "pockettts" or "start" in str(entry.get("run")):
            continue
        r = GGUFReader(str(folder / entry["file"]))
        keys, tensors = {}, {}
        for k, f in r.fields.items():
            if k.startswith(("GGUF", "general", "tokenizer")):
                continue
            v = f.contents()
            many = isinstance(v, (list, np.ndarray))
            one = [x.item() if hasattr(x, "item") else x for x in (v if many else [v])]
            kind = "s" if isinstance(one[0], str) else "b" if isinstance(one[0], bool) else "f" if isinstance(one[0], float) else "u"
            text = " ".join(str(int(x)) if kind in "bu" else x if kind == "s" else f"{x:.9g}" for x in one)
            short = k[len(arch) + 1:] if k.startswith(arch + ".") else "/" + k
            keys[short] = f"{kind}{'[]' if many else ''} {text}"
        for t in r.tensors:
            x = np.array(t.data)
            ne = " ".join(str(int(n)) for n in t.shape)
            law = "p" if t.name.startswith(POSITIVE) or any(p in t.name for p in POSITIVE) else "n"
            tensors[t.name] = f"{law} {x.mean():.2g} {x.std():.2g} {ne}" if law == "n" and x.size > 64 else f"{law} {usual(t.name)} {ne}"
            if law == "n" and x.size > 64 and abs(x.mean()) < 0.2 * x.std():
                tensors[t.name] = f"{law} 0 {x.std():.2g} {ne}"
        extra = dict(line[2:].split(" ", 1) for line in MORE_KEYS.get(arch, []))
        lines = merged(tensors)
        write(name, arch, entry["ids"], keys | extra, lines, done.get(arch))
        done.setdefault(arch, (name, entry["ids"], keys | extra, lines))
    print(MORE_MODELS.strip())


def usual(name):
    if "norm" in name:
        return "1 0.3" if name.endswith(".weight") else "0 0.2"
    if name.endswith("scale") or "layer_output_scale" in name:
        return "1 0.3"
    return "0 1" if "sinks" in name else "0 0.3"


def merged(tensors):
    """blk.0.x, blk.1.x … with equal laws become one line; deviations of one stem are made equal."""
    stems, out = {}, {}
    for name, law in tensors.items():
        m = re.match(r"blk\.(\d+)\.(.*)", name)
        if not m:
            out[name] = law
            continue
        kind, mean, dev, ne = law.split(" ", 3)
        group = stems.setdefault((m[2], ne), [kind, mean, dev, []])
        group[3].append(int(m[1]))
    for (stem, ne), (kind, mean, dev, layers) in stems.items():
        while layers:
            n = 1
            while n < len(layers) and layers[n] == layers[0] + n:
                n += 1
            name = f"blk.{layers[0]}.{stem}" if n == 1 else f"blk.{layers[0]}-{layers[n - 1]}.{stem}"
            out[name] = f"{kind} {mean} {dev} {ne}"
            layers = layers[n:]
    return out


def write(name, arch, ids, keys, tensors, parent):
    p_name, p_ids, p_keys, p_tensors = parent or ("", None, {}, {})
    print(f"model {name} {arch} {p_name}".rstrip())
    if ids != p_ids:
        print("ids", *ids)
    for k in p_keys:
        if k not in keys:
            print("-k", k)
    for k, v in keys.items():
        if p_keys.get(k) != v:
            print("k", k, v)
    # Laws of a parent stay when only the sample of them differs.
    shape = lambda law: law.split(" ", 3)[3]
    for t in p_tensors:
        if t not in tensors:
            print("-t", t)
    for t, law in tensors.items():
        if t not in p_tensors or shape(p_tensors[t]) != shape(law):
            print("t", t, law)


def models(path):
    out, now = {}, None
    for line in Path(path).read_text().splitlines():
        w = line.split()
        if line.startswith("model "):
            parent = out[w[3]]["ids"] if len(w) > 3 else None
            now = out[w[1]] = dict(file=w[1] + ".gguf", arch=w[2], ids=parent, tolerance=1e-9)
        elif line.startswith("ids "):
            now["ids"] = [int(x) for x in w[1:]]
    return out


def pack(text, logits, out):
    with open(out, "wb") as f:
        for name in models(text):
            path = Path(logits) / (name + ".bin")
            if not path.exists():
                print("no logits for", name, file=sys.stderr)
                continue
            raw = path.read_bytes()
            n, width = struct.unpack("<ii", raw[:8])
            picks = [n * 2 // 5, n - 1]
            f.write(name.encode().ljust(48, b"\0") + struct.pack("<II", width, len(picks)))
            for r in picks:
                f.write(struct.pack("<I", r) + raw[8 + 4 * width * r:8 + 4 * width * (r + 1)])


verb = sys.argv[1] if len(sys.argv) > 1 else ""
if verb == "spec":
    spec(Path(sys.argv[2]))
elif verb == "manifest":
    Path(sys.argv[3], "manifest.json").write_text(json.dumps(models(sys.argv[2]), indent=0))
elif verb == "pack":
    pack(*sys.argv[2:5])
else:
    print(__doc__)
