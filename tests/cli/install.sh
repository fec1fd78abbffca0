#!/usr/bin/env bash
# What `make install` puts into a folder is enough: the program runs from there, examples/ask.c
# builds with pkg-config against the shared and the static library, the manual page and the
# completion know every command, and the library shows no name but tarn_.
. tests/cli/lib.bash
case $build in *asan* | *tsan* | *cover*) skip "a library with sanitizers is not installed" ;; esac
command -v pkg-config >/dev/null || skip "pkg-config is not installed"
cc=${CC:-cc}
case $cc in */* | cc | gcc* | clang*) ;; *) cc=cc ;; esac
tools/install "$tmp/root" /usr "$build" "$(cat VERSION)" \
    "$(sed -n 's/^PKGS := //p' Makefile)" >"$tmp/log" || fail "tools/install: $(cat "$tmp/log")"
root=$tmp/root/usr
for f in bin/tarn lib/libtarn.a lib/libtarn.so.0 lib/libtarn.so include/tarn.h \
    lib/pkgconfig/tarn.pc share/man/man1/tarn.1 share/bash-completion/completions/tarn; do
    [ -s "$root/$f" ] || fail "$f is not installed"
done
[ "$("$root/bin/tarn" --version | head -1)" = "$("$tarn" --version | head -1)" ] || fail "version"

# the pages name every command and every option
for verb in $("$tarn" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    grep -q "^\.SS tarn $verb " "$root/share/man/man1/tarn.1" || fail "manual page without $verb"
    grep -q "^    $verb) " "$root/share/bash-completion/completions/tarn" || fail "completion of $verb"
done
if command -v man >/dev/null; then
    man --warnings -l "$root/share/man/man1/tarn.1" 2>&1 >/dev/null | grep . && fail "man has warnings"
fi
complete_words() { # words of a command line; prints what the last one may become
    # shellcheck disable=SC2016
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tarn; echo "${COMPREPLY[@]}"' \
        - "$root/share/bash-completion/completions/tarn" "$@"
}
[ "$(complete_words tarn detok)" = detokenize ] || fail "completion: $(complete_words tarn detok)"
case $(complete_words tarn ask --te) in *--temp*) ;; *) fail "completion of options" ;; esac

# the example, both ways
run 0 synth v3-tiny --type q8_0 --seed 2 -o "$tmp/m.gguf"
export PKG_CONFIG_SYSROOT_DIR=$tmp/root PKG_CONFIG_PATH=$root/lib/pkgconfig
flags="-std=c17 -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
$cc $flags $(pkg-config --cflags tarn) examples/ask.c $(pkg-config --libs tarn) \
    -o "$tmp/ask-shared" || fail "the example does not link with libtarn.so"
static=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs-only-l tarn | sed 's/-ltarn//')
# shellcheck disable=SC2086
$cc $flags -I"$root/include" examples/ask.c "$root/lib/libtarn.a" $static -pthread \
    -o "$tmp/ask-static" || fail "the example does not link with libtarn.a"
export LD_LIBRARY_PATH=$root/lib
for ask in "$tmp/ask-shared" "$tmp/ask-static"; do
    "$ask" "$tmp/m.gguf" "What is 17 * 23?" 12 >"$ask.out" 2>"$ask.err" || fail "$(cat "$ask.err")"
    grep -q '^12 tokens$' "$ask.err" || fail "$ask says $(cat "$ask.err")"
    "$ask" "$tmp/none.gguf" hello 2>"$ask.err" && fail "$ask answers without a model"
    grep -q "none.gguf" "$ask.err" || fail "$ask does not name the missing file"
done
same "$tmp/ask-shared.out" "$tmp/ask-static.out"
ldd "$tmp/ask-shared" | grep -q "libtarn.so.0" || fail "the example does not use libtarn.so.0"
other=$(nm -D --defined-only "$root/lib/libtarn.so" | awk '{print $3}' | grep -v '^tarn_')
[ -z "$other" ] || fail "the shared library shows: $other"
other=$(nm -g --defined-only "$root/lib/libtarn.a" | awk 'NF == 3 {print $3}' | grep -v '^tarn_')
[ -z "$other" ] || fail "the static library shows: $other"
for name in $(grep -o 'tarn_[a-z_]*(' include/tarn.h | tr -d '(' | sort -u); do
    nm -D --defined-only "$root/lib/libtarn.so" | grep -q " $name\$" || fail "$name is not exported"
done
if command -v c++ >/dev/null; then
    printf '#include <tarn.h>\nint main() { return tarn_api_version() != TARN_API_VERSION; }\n' >"$tmp/v.cc"
    # shellcheck disable=SC2046
    c++ -Wall -Wextra -Werror $(pkg-config --cflags tarn) "$tmp/v.cc" $(pkg-config --libs tarn) \
        -o "$tmp/v" && "$tmp/v" || fail "the header in C++"
fi
exit $bad
