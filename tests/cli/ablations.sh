#!/usr/bin/env bash
# recipes/ablations/run with four steps of everything: every variant is a valid recipe, a second call
# leaves what is done alone, and the table has a line for each with the spread of its seeds.
. tests/cli/lib.bash
for i in $(seq 400); do echo "The cat sat on mat $i and the dog ran to the red house number $((i * 7))."; ((i % 5)) || echo; done >"$tmp/text"
run 0 tokenizer train "$tmp/text" --vocab 400 -o "$tmp/tok"
run 0 shard "$tmp/text" --tokenizer "$tmp/tok" --split "" --held-out 0.1 -o "$tmp/shards"
ablate() {
    TARN=$PWD/$tarn SEEDS="1 2" recipes/ablations/run "$tmp/out" all --set data.path="$tmp/shards" \
        --set data.eval="$tmp/shards/held-out" --set data.tokenizer="$tmp/tok" --set model.n_embd=32 \
        --set model.n_layer=2 --set data.seq_rows=64 --set train.steps=4 --set train.batch_rows=128 \
        --set train.micro_rows=128 --set train.warmup=1 --set train.eval_every=4 \
        --set train.eval_batches=1 --threads 1 >"$tmp/table" 2>"$tmp/log"
}
ablate || fail "the runs failed: $(grep tarn: "$tmp/log" | head -3)"
for name in base mtp-off balance-loss balance-none attn-mla attn-gqa precision-fp32 precision-bf16 \
    precision-fp8 precision-int8 optimizer-muon optimizer-bf16; do
    grep -q "^$name  *2 .*\[.*\].*evaluated" "$tmp/table" || fail "no $name in: $(cat "$tmp/table")"
done
cp "$tmp/table" "$tmp/before"
ablate || fail "a second call failed: $(grep tarn: "$tmp/log" | head -3)"
sed 's/ [0-9]* *evaluated//' "$tmp/before" >"$tmp/a"
sed 's/ [0-9]* *evaluated//' "$tmp/table" >"$tmp/b"
same "$tmp/a" "$tmp/b"
exit $bad
