#!/usr/bin/env bash
# Pretraining on a mixture, sft, distillation, resuming, and looking at runs, on a few thousand
# parameters.
. tests/cli/lib.bash
run 0 task addition -n 200 --level 1
cp "$tmp/.out" "$tmp/sums.jsonl"
for i in $(seq 300); do echo "The cat sat on mat $i and the dog ran to the red house."; done >"$tmp/text"
run 0 tokenizer train "$tmp/text" "$tmp/sums.jsonl" --vocab 400 -o "$tmp/tok"
run 0 shard "$tmp/text" --tokenizer "$tmp/tok" -o "$tmp/shards"
cat >"$tmp/pre.yaml" <<END
model: {n_embd: 32, n_layer: 1, n_head: 2, n_head_kv: 1, head_dim: 16, n_ff: 64}
data:
  tokenizer: $tmp/tok
  seq_rows: 128
  mix:
    text: {path: $tmp/shards, weight: 0.5}
    sums: {tasks: addition, levels: 1, weight: 0.5}
train: {steps: 6, batch_rows: 512, micro_rows: 256, lr: 0.01, warmup: 2, save_every: 3}
END
run 0 train "$tmp/pre.yaml" --dry-run
has "50.0%"
run 0 train "$tmp/pre.yaml" --run "$tmp/runs/pre"
[ -f "$tmp/runs/pre/report.html" ] || fail "no report.html"
run 2 train "$tmp/pre.yaml" --run "$tmp/runs/pre"
says "--resume"
run 2 train "$tmp/pre.yaml" --set data.mix.sums.level=1
says "no such key"
run 2 sft "$tmp/pre.yaml" --dry-run
says "init"

cat >"$tmp/sft.yaml" <<END
init: $tmp/runs/pre
data: {path: $tmp/sums.jsonl, seq_rows: 128}
train: {steps: 6, batch_rows: 512, micro_rows: 256, lr: 0.01, save_every: 2, keep: 9}
END
run 0 sft "$tmp/sft.yaml" --run "$tmp/runs/whole"
run 0 sft "$tmp/sft.yaml" --run "$tmp/runs/cut"
rm -rf "$tmp/runs/cut/ckpt-000000004" "$tmp/runs/cut/ckpt-000000006"
run 0 sft "$tmp/sft.yaml" --run "$tmp/runs/cut" --resume
for f in weights optim; do
    same "$tmp/runs/whole/ckpt-000000006/$f.safetensors" "$tmp/runs/cut/ckpt-000000006/$f.safetensors"
done
# the checkpoint knows its template, and a run's directory is a model
echo '[{"role":"user","content":"hi"}]' >"$tmp/hi.json"
run 0 render "$tmp/runs/cut" --messages "$tmp/hi.json"
has "<｜User｜>hi<｜Assistant｜><think>"

cat >"$tmp/distill.yaml" <<END
init: $tmp/runs/pre
data: {seq_rows: 128}
distill: {teacher: $tmp/runs/whole, from: logits, tasks: addition, levels: 1, prompts: 4,
  samples: 2, max_tokens: 24, tokens: student}
train: {steps: 2, batch_rows: 512, micro_rows: 256, lr: 0.01, save_every: 1}
END
run 0 distill "$tmp/distill.yaml" --run "$tmp/runs/student"
run 4 distill "$tmp/distill.yaml" --run "$tmp/runs/x" --set distill.teacher="$tmp/nowhere"
says "the teacher"

run 0 runs "$tmp/runs"
has "6/6"
has "distill"
run 0 runs "$tmp/runs" --json
has '"kind":"sft","state":"done","step":6,"steps":6'
run 0 watch "$tmp/runs/whole" --once --cols 80 --rows 24
has "loss"
[ "$(wc -l <"$tmp/.out")" -le 24 ] || fail "more than 24 lines"
while IFS= read -r line; do
    [ ${#line} -le 80 ] || fail "a line of ${#line} cells: $line"
done <"$tmp/.out"
run 0 watch "$tmp/runs/whole" --once --cols 40 --rows 8
run 0 plan v3
has "5.576M"
run 0 plan v2-lite --tokens 5.7T --device h100 --count 64 --ep 8 --price 2.5 --json
has '"device_hours"'
run 2 plan v3 --device abacus
says "no device"
run 4 watch "$tmp"
says "no run"
exit $bad
