#!/bin/sh
# Compiles the NEON and scalar kernels and their test for aarch64 and runs the test under qemu. Exit 77 when the tools are
# missing. Usage: neon_qemu.sh BUILD_FOLDER, from the source root.
set -e
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "SKIPPED: no $tool"; exit 77; }
done
out=$1/neon
mkdir -p "$out"
flags="-std=c17 -O1 -DNDEBUG -ffp-contract=off -fno-math-errno -fno-trapping-math -Isrc -Itests"
for isa in neon scalar; do
    for template in acts block32 float set super256; do
        $cc $flags -march=armv8.2-a+dotprod+fp16 -DIG_ISA=$isa "-DIG_SIMD_HEADER=\"backend/cpu/simd_$isa.h\"" \
            -c src/backend/cpu/matmul_${template}_tmpl.c -o "$out/${isa}_$template.o"
    done
done
$cc $flags -static tests/kernels/test_matmul.c src/backend/cpu/cpu_matmul.c src/backend/cpu/matmul_pack.c \
    src/tensor/*.c src/base/alloc.c src/base/status.c "$out"/*.o -lm -o "$out/test_matmul"
exec qemu-aarch64 "$out/test_matmul"
