#!/usr/bin/env python3
"""Writes codebook_table.c: the grids of the IQ1, IQ2 and IQ3 types, which are data of the format and follow from no
formula. Needs numpy and gguf (pip install numpy gguf); reads the grids of that package.

An entry packs the level numbers of its elements, first element lowest: 8 of 2 bits, or 4 of 3 bits.
"""
import pathlib

from gguf import quants

GRIDS = [  # name, class, levels
    ("iq2xxs", quants.IQ2_XXS, [8, 25, 43]),
    ("iq2xs", quants.IQ2_XS, [8, 25, 43]),
    ("iq2s", quants.IQ2_S, [8, 25, 43]),
    ("iq1", quants.IQ1_S, [-1, 0, 1]),
    ("iq3xxs", quants.IQ3_XXS, [4, 12, 20, 28, 36, 44, 52, 62]),
    ("iq3s", quants.IQ3_S, [1, 3, 5, 7, 9, 11, 13, 15]),
]

out = [
    "/* codebook_table.c: grids of the IQ1, IQ2 and IQ3 types, made by make_codebooks.py. An entry packs",
    " * the level numbers of its elements, first element lowest: 8 of 2 bits, or 4 of 3 bits (IQ3).",
    " * Constant data. */",
    '#include "tensor/codebook_int.h"',
    "",
    "/* clang-format off */",
]
for name, cls, levels in GRIDS:
    cls.init_grid()
    grid = cls.grid[0, 0]
    bits = 2 if grid.shape[1] == 8 else 3
    packed = [sum(levels.index(int(v)) << bits * i for i, v in enumerate(row)) for row in grid]
    out.append(f"const uint16_t ig_tensor_grid_{name}[{len(packed)}] = {{")
    for i in range(0, len(packed), 14):
        out.append("    " + " ".join(f"{v}," for v in packed[i : i + 14]))
    out.append("};")
out.append("/* clang-format on */")
(pathlib.Path(__file__).parent / "codebook_table.c").write_text("\n".join(out) + "\n")
