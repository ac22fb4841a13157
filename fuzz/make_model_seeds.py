#!/usr/bin/env python3
"""make_model_seeds.py FOLDER: the seeds of fuzz_model, models of a few kilobytes that run.

Each covers what the others do not: plain, legacy and K types, windows, encoders, experts, chunk experts.
"""
import random
import struct
import sys
from pathlib import Path

ALIGNMENT = 32
U32, F32, BOOL, STR, ARRAY = 4, 6, 7, 8, 9  # types of values
dice = random.Random(1)


def half(x):
    return struct.pack("<e", x)


def noise(n):
    return dice.randbytes(n)


# name: number in the format, elements of a block, one block
TYPES = {
    "f32": (0, 1, lambda: struct.pack("<f", dice.gauss(0, 0.3))),
    "f16": (1, 1, lambda: half(dice.gauss(0, 0.3))),
    "bf16": (30, 1, lambda: struct.pack("<f", dice.gauss(0, 0.3))[2:]),
    "q4_0": (2, 32, lambda: half(0.05) + noise(16)),
    "q8_0": (8, 32, lambda: half(0.005) + noise(32)),
    "mxfp4": (39, 32, lambda: bytes([124]) + noise(16)),
    "q4_k": (12, 256, lambda: half(0.002) + half(0.01) + noise(140)),
    "q6_k": (14, 256, lambda: noise(208) + half(0.0005)),
}


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def value(x):
    if isinstance(x, list):
        kind = {str: STR, float: F32, bool: BOOL}.get(type(x[0]), U32)
        return struct.pack("<IIQ", ARRAY, kind, len(x)) + b"".join(value(y)[4:] for y in x)
    if isinstance(x, str):
        return struct.pack("<I", STR) + text(x)
    if isinstance(x, bool):
        return struct.pack("<IB", BOOL, x)
    if isinstance(x, float):
        return struct.pack("<If", F32, x)
    return struct.pack("<II", U32, x)


def gguf(keys, tensors):
    infos, data = b"", b""
    for name, (kind, *ne) in tensors.items():
        number, elements, block = TYPES[kind]
        count = 1
        for n in ne:
            count *= n
        infos += text(name) + struct.pack(f"<I{len(ne)}QIQ", len(ne), *ne, number, len(data))
        data += b"".join(block() for _ in range(count // elements))
        data += bytes(-len(data) % ALIGNMENT)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    head += b"".join(text(k) + value(v) for k, v in keys.items()) + infos
    return head + bytes(-len(head) % ALIGNMENT) + data


def model(arch, kinds, d=32, f=32, heads=2, kv_heads=1, head=16, layers=1, vocabulary=24, keys=(), experts=0,
          chunks=0, norms=()):
    """kinds: types of the matrices, in turn; those of short rows take the first type of small blocks."""
    turn = 0

    def matrix(cols, *rest):
        nonlocal turn
        turn += 1
        fits = [k for k in kinds if cols % TYPES[k][1] == 0] or ["f32"]
        return (fits[turn % len(fits)], cols, *rest)

    names = ["<unk>", "<s>", "</s>"] + [chr(97 + i) for i in range(vocabulary - 3)]
    own = {"context_length": 64, "embedding_length": d, "block_count": layers, "feed_forward_length": f,
           "attention.head_count": heads, "attention.head_count_kv": kv_heads, "attention.key_length": head,
           "attention.value_length": head, "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": head,
           "rope.freq_base": 10000.0}
    all_keys = {"general.architecture": arch}
    all_keys |= {f"{arch}.{k}": v for k, v in {**own, **dict(keys)}.items()}
    all_keys |= {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": names,
                 "tokenizer.ggml.scores": [-float(i) for i in range(vocabulary)],
                 "tokenizer.ggml.token_type": [2, 3, 3] + [1] * (vocabulary - 3)}
    tensors = {"token_embd.weight": matrix(d, vocabulary), "output_norm.weight": ("f32", d)}
    for i in range(layers):
        parts = {"attn_norm": ("f32", d), "attn_q": matrix(d, heads * head), "attn_k": matrix(d, kv_heads * head),
                 "attn_v": matrix(d, kv_heads * head), "attn_output": matrix(heads * head, d), "ffn_norm": ("f32", d)}
        parts |= {n: ("f32", head if n.startswith("attn_") else d) for n in norms}
        if experts:
            parts |= {"ffn_gate_inp": ("f32", d, experts), "ffn_gate_exps": matrix(d, f, experts),
                      "ffn_up_exps": matrix(d, f, experts), "ffn_down_exps": matrix(f, d, experts)}
        else:
            parts |= {"ffn_gate": matrix(d, f), "ffn_up": matrix(d, f), "ffn_down": matrix(f, d)}
        if chunks:
            parts |= {"ffn_gate_chexps": matrix(d, f, chunks), "ffn_up_chexps": matrix(d, f, chunks),
                      "ffn_down_chexps": matrix(f, d, chunks)}
        tensors |= {f"blk.{i}.{n}.weight": t for n, t in parts.items()}
    return gguf(all_keys, tensors)


QK = ("attn_q_norm", "attn_k_norm")
EXPERTS = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32}
SEEDS = {
    "plain": model("llama", ["f32", "f16", "bf16"]),
    "legacy": model("llama", ["q4_0", "q8_0", "mxfp4"]),
    "k": model("llama", ["q4_k", "q6_k", "q8_0"], d=256, heads=1, head=32),
    "encoder": model("llama", ["q8_0"], keys={"attention.causal": False}),
    "window": model("gemma3", ["q8_0", "f16"], norms=(*QK, "post_attention_norm", "post_ffw_norm"),
                    layers=2,
                    keys={"attention.sliding_window": 3}),
    "experts": model("qwen3moe", ["q8_0", "q4_0"], experts=4, norms=QK, keys=EXPERTS),
    "chunk_experts": model("grovemoe", ["q8_0"], experts=4, chunks=2, norms=QK,
                           keys={**EXPERTS, "experts_per_group": 2, "expert_group_scale": 0.5,
                                 "expert_chunk_feed_forward_length": 32}),
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / f"seed_{name}").write_bytes(data)
