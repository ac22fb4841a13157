#!/bin/sh
# run_neon.sh SOURCE_DIR WORK_DIR: builds the kernel tests for AArch64 and runs them under qemu. Exit status 77: a tool is missing.
set -e
source_dir=$1
work=$2
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    if ! command -v $tool >/dev/null; then
        echo "SKIPPED: no $tool (Debian: gcc-aarch64-linux-gnu, qemu-user)"
        exit 77
    fi
done
mkdir -p "$work"
cd "$source_dir"
flags="-std=c17 -O2 -Wall -Wextra -Wno-unknown-pragmas -fno-math-errno -fno-trapping-math -ffp-contract=off -Isrc -Itests -c"
objects=
# compile NAME SOURCE FLAGS…
compile() {
    object=$work/$1.o
    shift
    if [ ! -f "$object" ] || [ -n "$(find src tests -newer "$object" -name '*.[ch]' | head -n 1)" ]; then
        $cc $flags "$@" -o "$object"
    fi
    objects="$objects $object"
}
for file in src/base/*.c src/tensor/*.c src/backend/cpu/rope_table.c src/backend/cpu/attn_layout.c; do
    compile "$(basename "$file" .c)" "$file"
done
for file in rows_tmpl attn_tmpl attn_write_tmpl; do
    compile ${file}_scalar src/backend/cpu/$file.c -DIG_ISA=scalar
    compile ${file}_neon src/backend/cpu/$file.c -march=armv8.2-a+dotprod+fp16 -DIG_ISA=neon
done
library=$objects
for test in rows attn; do
    objects=
    compile test_$test tests/kernels/test_$test.c -DWORK_MAX=100000
    $cc -static -o "$work/test_$test" $objects $library -lm
done
qemu-aarch64 "$work/test_rows"
qemu-aarch64 "$work/test_attn" neon alibi_takes_positions_of_the_step page_bytes_refuse_what_is_not_supported \
    broken_values_stay_where_they_are
