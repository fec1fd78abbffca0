#!/usr/bin/env bash
# GSM8K as it is published, with the model that ships: measured, learned from, and taught by rewards.
# A few steps of each: that the layouts, forms and checkers fit, not that anything is learned.
. tests/cli/lib.bash
problems=$data/gsm8k-train/train.jsonl model=models/tarn-small.gguf
[ -e "$problems" ] || skip "$problems is not here"
[ -e "$model" ] || skip "$model is not here"
head -24 "$problems" >"$tmp/few.jsonl"

run 0 eval "$model" --data "$tmp/few.jsonl" -n 3 -k 2 --max 24 --out "$tmp/eval" --json
has '"problems":3'
[ "$(wc -l <"$tmp/eval/samples.jsonl")" -eq 6 ] || fail "six samples are not in $tmp/eval"
grep -q '"gold":"72"' "$tmp/eval/samples.jsonl" || fail "the first answer, 72, is not the gold of a sample"
grep -q '"errored":true' "$tmp/eval/samples.jsonl" && fail "a check failed"

# The chain before #### is the thinking, what stands behind it the answer.
cat >"$tmp/sft.yaml" <<END
init: $model
data: {path: $tmp/few.jsonl, seq_rows: 512}
train: {steps: 2, batch_rows: 1024, micro_rows: 1024, lr: 0.0003, warmup: 1}
END
run 0 sft "$tmp/sft.yaml" --run "$tmp/sft"
case $err in *skipped*) fail "records were skipped: $err" ;; esac
[ "$(wc -l <"$tmp/sft/metrics.jsonl")" -eq 2 ] || fail "two steps are not in the log"

run 0 rl recipes/rl-gsm8k.yaml --set init="$tmp/sft" --set task.data="$tmp/few.jsonl" --run "$tmp/rl" \
    --set train.steps=2 --set rollout.prompts=2 --set rollout.group=2 --set rollout.max_tokens=24 \
    --set rollout.parallel=4 --set train.micro_rows=1024
has "time: rollout"
[ "$(wc -l <"$tmp/rl/metrics.jsonl")" -eq 2 ] || fail "two steps of rl are not in the log"
grep -q '"errored":0.000000' "$tmp/rl/metrics.jsonl" || fail "checks failed in rl"
run 0 eval "$tmp/rl" --data "$tmp/few.jsonl" -n 2 --max 16 --out "$tmp/after" --json
has '"problems":2'
exit $bad
