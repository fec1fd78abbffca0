#!/usr/bin/env bash
# What is wrong with a command line or a file is said in one sentence, with the right exit status.
. tests/cli/lib.bash
run 0 --version; has "tarn $(cat VERSION)"; has compiler:
run 0 --help; has "usage: tarn COMMAND"; has "exit status"
run 2; says "usage: tarn COMMAND"
run 2 frobnicate; says 'there is no command "frobnicate"'; says "hint:"
for verb in $("$tarn" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    run 0 "$verb" --help; has "usage: tarn $verb"; has "--threads"
    run 2 "$verb" --no-such-option; says "there is no option --no-such-option"
done
run 2 ask; says "wrong arguments"; says "hint: usage: tarn ask"
run 2 ask m.gguf x --temp; says "--temp needs a value"
run 2 ask m.gguf x --temp hot; says '--temp needs a number, not "hot"'
run 2 ask m.gguf x --top-p 2; says "--top-p is 2, allowed is 0 to 1"
run 2 ask m.gguf x --ctx many; says "--ctx needs a whole number"
run 2 info m.gguf --json=yes; says "--json takes no value"
run 2 info m.gguf --log loud; says '--log is "loud"'
run 4 ask "$tmp/none.gguf" hello; says "there is no model"
run 4 info "$tmp/none.gguf"; says "none.gguf"
TARN_CPU=abacus run 2 info "$tmp/none.gguf"; says 'TARN_CPU is "abacus"'

printf 'not a model' >"$tmp/text.gguf"
run 4 info "$tmp/text.gguf"; says text.gguf
mkdir "$tmp/empty"
run 4 info "$tmp/empty"; says empty
: >"$tmp/zero.gguf"
run 4 info "$tmp/zero.gguf"; says zero.gguf

run 0 synth v3-tiny --type f32 --seed 1 -o "$tmp/m.gguf"
size=$(bytes "$tmp/m.gguf")
for n in 4 24 1000 $((size / 2)) $((size - 1)); do
    head -c "$n" "$tmp/m.gguf" >"$tmp/cut.gguf"
    run 4 info "$tmp/cut.gguf"; says cut.gguf
    run 4 logits "$tmp/cut.gguf" --tokens 1; says cut.gguf
done
run 2 logits "$tmp/m.gguf"; says hint
run 2 logits "$tmp/m.gguf" --tokens 1,x; says '"x" is not a token id'
run 4 logits "$tmp/m.gguf" --tokens 99999999; says 99999999
run 2 logits "$tmp/m.gguf" --tokens 1 --act fast; says "allowed are f32 and q8"
run 2 ask "$tmp/m.gguf" x --cache-type q9; says "allowed are f32 f16 bf16 q8_0"
run 2 ask "$tmp/m.gguf" x --template nonsense; says nonsense; says "hint:"
run 2 ask "$tmp/m.gguf" x --think maybe; says "no way to think: off, low, high, on, or a number"
run 2 synth no-such-shape -o "$tmp/n.gguf"; says no-such-shape
run 2 synth v3-tiny --type q99 -o "$tmp/n.gguf"; says q99
run 5 ask "$tmp/m.gguf" "$(printf 'word %.0s' $(seq 200))" --ctx 64; says 64
run 3 ask "$tmp/m.gguf" hello --max 3 --temp 0; says "cut after 3 tokens"
exit $bad
