#!/usr/bin/env python3
"""Writes fixtures/decode.bin and fixtures/encode.bin for test_tensor.c with the gguf package as the oracle.

Needs numpy and gguf (pip install numpy gguf). Each file is a run of records
    u32 ggml type id, u32 number of blocks, blocks, f32 values
for decode the values are what the blocks mean; for encode the blocks are what the values become.
"""
import pathlib
import struct

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

OUT = pathlib.Path(__file__).parent / "fixtures"
rng = np.random.default_rng(20240607)

# Offsets of the half-precision fields, which must stay finite; everything else may be any bits.
HALVES = {
    T.F16: [0], T.BF16: [], T.F32: [], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0],
    T.TQ1_0: [52], T.TQ2_0: [64], T.MXFP4: [], T.NVFP4: [],
    T.IQ2_XXS: [0], T.IQ2_XS: [0], T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0], T.IQ1_S: [0], T.IQ1_M: [],
}


def halves(n):
    """Finite halves: mostly of the size of real scales, some of any size, some subnormal, some zero."""
    h = (rng.standard_normal(n) * 0.02).astype(np.float16).view(np.uint16)
    wild = (rng.integers(0, 2**16, n, dtype=np.uint16) & 0xBFFF).astype(np.uint16)
    tiny = (rng.integers(0, 2**16, n, dtype=np.uint16) & 0x83FF).astype(np.uint16)
    pick = rng.integers(0, 8, n)
    h = np.where(pick == 0, wild, np.where(pick == 1, tiny, h))
    return h.astype("<u2")


def decode_records():
    for t, fields in HALVES.items():
        elems, size = GGML_QUANT_SIZES[t]
        n = 5 if elems == 256 else 12 if elems > 1 else 64
        blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
        for at in fields:
            blocks[:, at : at + 2] = halves(n).view(np.uint8).reshape(n, 2)
        if t == T.F32:
            blocks = rng.standard_normal(n).astype("<f4").view(np.uint8).reshape(n, 4)
        if t == T.BF16:
            blocks[:, 1] &= 0xBF
        if t == T.IQ1_M:  # d is spread over the top nibbles of four words; an exponent of 31 is kept out
            blocks[:, 55] &= 0xBF
        if t == T.MXFP4:
            blocks[:3, 0] = [0, 1, 254]
        values = quants.dequantize(blocks.reshape(n * size), t).astype("<f4").reshape(-1)
        assert values.size == n * elems
        yield struct.pack("<II", t, n) + blocks.tobytes() + values.tobytes()


def encode_records():
    for t in (T.F16, T.BF16, T.Q8_0, T.Q4_0):
        elems, size = GGML_QUANT_SIZES[t]
        n = 24 if elems > 1 else 256
        x = rng.standard_normal((n, elems)).astype(np.float32)
        x *= np.float32(10.0) ** rng.integers(-6, 4, (n, 1)).astype(np.float32)
        if elems > 1:
            x[0] = 0
            x[1] = np.round(x[1] * 4) / 4
            x[2] = np.arange(32) - 16  # ties, two extremes of equal size
            x[3] = -x[2]
            x[4] = 1e-7
            x += np.float32(0)  # no -0.0: gguf-py takes its sign for the scale of a block of zeros, ggml does not
        blocks = quants.quantize(x.reshape(-1), t).view(np.uint8)
        assert blocks.size == n * size
        yield struct.pack("<II", t, n) + blocks.tobytes() + x.astype("<f4").tobytes()


OUT.mkdir(exist_ok=True)
(OUT / "decode.bin").write_bytes(b"".join(decode_records()))
(OUT / "encode.bin").write_bytes(b"".join(encode_records()))
