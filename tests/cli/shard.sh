#!/usr/bin/env bash
# Shards: packed and plain input, records, duplicates, tests' words, held-out documents, the middle.
. tests/cli/lib.bash
for i in $(seq 60); do
    echo "Document number $i is about the $((i * 7))th thing that one can say of lakes and hills."
    echo
done >"$tmp/text"
run 0 tokenizer train "$tmp/text" --vocab 400 --fim -o "$tmp/tok"
count() { # name
    printf '%s' "$out" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
shard() { # out, arguments
    local to=$1
    shift
    run 0 shard "$@" --tokenizer "$tmp/tok" -o "$tmp/$to" --json
}
shard a "$tmp/text" --split ""
[ "$(count documents)" = 60 ] || fail "documents: $out"
gzip -kc "$tmp/text" >"$tmp/text.md.gz"
shard b "$tmp/text.md.gz" --split ""
same "$tmp/a/00000.shard" "$tmp/b/00000.shard"
if command -v zstd >/dev/null; then
    zstd -qc "$tmp/text" >"$tmp/text.zst"
    shard c "$tmp/text.zst" --split ""
    same "$tmp/a/00000.shard" "$tmp/c/00000.shard"
fi
shard d "$tmp/text" "$tmp/text" --split "" --dedup
[ "$(count documents) $(count exact_duplicates)" = "60 60" ] || fail "duplicates: $out"
echo "one can say of LAKES, and hills" >"$tmp/test"
shard e "$tmp/text" --split "" --against "$tmp/test" --ngram 6
[ "$(count contaminated)" = 60 ] || fail "a test's words: $out"
shard f "$tmp/text" --split "" --held-out 0.3
all=$(($(count documents) + $(count held_out_documents)))
[ $all = 60 ] && [ "$(count held_out_documents)" -gt 5 ] || fail "held out: $out"
[ -f "$tmp/f/held-out/00000.shard" ] || fail "no held-out shard"
shard g "$tmp/text" --split "" --fim 0.5
[ "$(count fim)" -gt 15 ] && [ "$(count fim)" -lt 45 ] || fail "turned round: $out"
printf '%s\n' '{"text":"a lake"}' 'no record' '{"prompt":"q","think":"t","answer":"a"}' '{"prompt":"q"}' \
    >"$tmp/r.jsonl"
shard h "$tmp/r.jsonl"
[ "$(count documents) $(count bad)" = "2 2" ] || fail "records: $out"
says "r.jsonl:2: skipped"
run 4 shard "$tmp/r.jsonl" --strict --tokenizer "$tmp/tok" -o "$tmp/i"
says "r.jsonl:2:"
run 0 tokenizer train "$tmp/text" --vocab 400 -o "$tmp/plain"
run 6 shard "$tmp/text" --fim 0.1 --tokenizer "$tmp/plain" -o "$tmp/j"
says "--fim"
exit $bad
