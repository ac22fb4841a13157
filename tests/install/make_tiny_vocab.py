#!/usr/bin/env python3
"""Writes fixtures/tiny_vocab.gguf: a vocabulary without weights, SPM with byte tokens and a few words."""
import struct
from pathlib import Path

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def text(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def array(kind, items):
    packed = b"".join(text(i) if kind == STRING else struct.pack("<f" if kind == F32 else "<i", i) for i in items)
    return struct.pack("<IQ", kind, len(items)) + packed


words = ["▁", "h", "e", "l", "o", "w", "r", "d", "he", "ll", "hell", "hello", "▁hello", "wo", "wor", "worl",
         "ld", "world", "▁world"]
tokens = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
tokens += [(f"<0x{b:02X}>", 0.0, BYTE) for b in range(256)]
tokens += [(word, float(-i), NORMAL) for i, word in enumerate(reversed(words))]

keys = [
    ("general.architecture", STRING, text("llama")),
    ("general.name", STRING, text("tiny vocabulary")),
    ("tokenizer.ggml.model", STRING, text("llama")),
    ("tokenizer.ggml.tokens", ARRAY, array(STRING, [t[0] for t in tokens])),
    ("tokenizer.ggml.scores", ARRAY, array(F32, [t[1] for t in tokens])),
    ("tokenizer.ggml.token_type", ARRAY, array(I32, [t[2] for t in tokens])),
    ("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 1)),
    ("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 2)),
    ("tokenizer.ggml.add_bos_token", BOOL, b"\1"),
]
head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys))
body = b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in keys)
out = head + body
Path(__file__).with_name("fixtures").joinpath("tiny_vocab.gguf").write_bytes(out + b"\0" * (-len(out) % 32))
