#!/usr/bin/env bash
# A small trained model tells the story it is known for, word by word, however it is run.
. tests/cli/lib.bash
model=$data/stories260K/hf
[ -d "$model" ] || skip "$model is not here"
story=", there was a little girl named Lily. She loved to play outside in the park."
tell() { # model, options...
    local from=$1
    shift
    run 3 ask "$from" "Once upon a time" --tokenizer "$data/stories260K/tok512.bin" --temp 0 \
        --max 120 "$@"
}
tell "$model" --threads 1
first=$out
case $out in "$story"* | " $story"*) ;; *) fail "another story: $out" ;; esac
tell "$model" --threads 1; [ "$out" = "$first" ] || fail "told twice, it differs: $out"
tell "$model" --threads 2; [ "$out" = "$first" ] || fail "two threads: $out"
tell "$model" --threads 2 --batch 2; [ "$out" = "$first" ] || fail "small steps: $out"
tell "$model" --act f32; [ "$out" = "$first" ] || fail "f32 activations: $out"

run 0 convert "$model" -o "$tmp/f32.gguf" --type f32
tell "$tmp/f32.gguf"; [ "$out" = "$first" ] || fail "as GGUF: $out"
run 0 convert "$tmp/f32.gguf" -o "$tmp/hf"
tell "$tmp/hf"; [ "$out" = "$first" ] || fail "back in a directory: $out"
for type in q8_0 q4_0 q5_1; do
    run 0 quantize "$tmp/f32.gguf" "$tmp/q.gguf" --type $type
    tell "$tmp/q.gguf"
    [ ${#out} -gt 100 ] || fail "$type says only: $out"
done
exit $bad
