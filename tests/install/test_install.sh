#!/usr/bin/env bash
# test_install.sh BUILD VERSION CC: installs BUILD into a folder of its own and uses it from there.
set -euo pipefail
build=$1 version=$2 cc=$3
here=$PWD/tests/install
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log" >&2; exit 1; }
# Moved after installation: nothing in it may remember where it was.
mv "$work/first" "$work/prefix"
prefix=$work/prefix
lib=$(dirname "$(find "$prefix" -name libingot.so)")

# The ids are those of llama-tokenize for this vocabulary: <s>, "▁hello", "▁world".
want="$version: 1 265 259"
try() {
    local got
    got=$(LD_LIBRARY_PATH=$lib "$1" "$here/fixtures/tiny_vocab.gguf")
    [ "$got" = "$want" ] || fail "$1 says \"$got\", not \"$want\""
}

export PKG_CONFIG_PATH=$lib/pkgconfig
[ "$(pkg-config --modversion ingot)" = "$version" ] || fail "pkg-config has another version"
# shellcheck disable=SC2046
"$cc" -std=c17 -Wall -Wextra -Werror "$here/consumer.c" -o "$work/by_pkgconfig" $(pkg-config --cflags --libs ingot)
try "$work/by_pkgconfig"

cmake -S "$here/consumer_cmake" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" >"$work/log" 2>&1 &&
    cmake --build "$work/cmake" >>"$work/log" 2>&1 || { cat "$work/log" >&2; fail "find_package(Ingot) does not serve"; }
try "$work/cmake/consumer"

[ "$("$prefix/bin/ingot" --version)" = "ingot $version" ] || fail "the installed program has another version"
commands=$("$prefix/bin/ingot" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ -n "$commands" ] || fail "the program lists no commands"
for page in ingot $(printf 'ingot-%s ' $commands); do
    grep -q '^\.SH NAME' "$prefix/share/man/man1/$page.1" || fail "no man page $page(1)"
done
completion=$prefix/share/bash-completion/completions/ingot
bash -n "$completion"
words=$(bash -c 'source "$1"; COMP_WORDS=(ingot ru) COMP_CWORD=1; _ingot; echo "${COMPREPLY[*]}"' _ "$completion")
[ "$words" = run ] || fail "completion of \"ru\" gives \"$words\""
