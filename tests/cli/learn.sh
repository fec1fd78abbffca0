#!/usr/bin/env bash
# tarn eval and tarn rl, on a model that knows nothing of the tasks: what they write, how they go on,
# what they refuse.
. tests/cli/lib.bash

model=$data/stories260K/hf tok=$data/stories260K/tok512.bin
[ -e "$model" ] || skip "$model is not here"

# Evaluation: every sample is kept, and a result stands for its model.
run 0 eval "$model" --tokenizer "$tok" --task addition,boolean --level 1 -n 3 -k 2 --max 8 \
    -o "$tmp/a" --json
has '"problems":6'
has '"pass@k":{"1":'
[ "$(wc -l <"$tmp/a/samples.jsonl")" -eq 12 ] || fail "12 samples are not in $tmp/a"
run 0 eval "$model" --tokenizer "$tok" --task addition,boolean --level 1 -n 3 -k 2 --max 8 \
    -o "$tmp/b" --threads 1 --parallel 3
sort "$tmp/a/samples.jsonl" >"$tmp/a.sorted"
sort "$tmp/b/samples.jsonl" >"$tmp/b.sorted"
same "$tmp/a.sorted" "$tmp/b.sorted"
run 0 eval "$tmp/a" --against "$tmp/b"
has "better on 0, worse on 0"
run 2 eval "$model" --tokenizer "$tok" --task nonsense
says 'there is no task "nonsense"'
run 2 eval "$model" --tokenizer "$tok"
says "nothing to ask"
run 0 eval "$model" --tokenizer "$tok" --task addition --level 1 -n 2 --max 4 --split train \
    --choose "$tmp/chosen" --from 0 --to 1 -o "$tmp/c"
[ "$(wc -l <"$tmp/chosen")" -eq 2 ] || fail "two problems were not chosen"

# The checkers hold.
run 0 rl --stress boolean countdown
has " 0 passed"

# A run, its refusal to be overwritten, its continuation, and its rollouts taught again.
cat >"$tmp/recipe.yaml" <<END
init: $model
model:
  tokenizer: $tok
  form: raw
task:
  data: $tmp/chosen
rollout:
  prompts: 2
  group: 2
  max_tokens: 16
rl:
  format: none
train:
  steps: 2
END
run 0 rl "$tmp/recipe.yaml" --dry-run
has "2 problems x 2 answers = 4 answers"
run 0 rl "$tmp/recipe.yaml" --run "$tmp/run" --threads 1
has "time: rollout"
[ "$(wc -l <"$tmp/run/metrics.jsonl")" -eq 2 ] || fail "two steps are not in the log"
[ "$(wc -l <"$tmp/run/rollouts/step-000000001.jsonl")" -eq 4 ] || fail "four rollouts are not kept"
run 2 rl "$tmp/recipe.yaml" --run "$tmp/run" --threads 1
says "has checkpoints"
run 0 rl "$tmp/recipe.yaml" --run "$tmp/run" --resume --set train.steps=3 --threads 1
[ "$(tail -1 "$tmp/run/metrics.jsonl" | cut -c1-9)" = '{"step":2' ] || fail "the run did not go on"
run 0 eval "$tmp/run" --template raw --data "$tmp/chosen" --as-is --max 4 -o "$tmp/d"
has ": 2 problems" # a run is a model: its newest checkpoint
run 0 rl "$tmp/recipe.yaml" --run "$tmp/again" --threads 1 \
    --replay "$tmp/run/rollouts/step-000000000.jsonl"
run 0 bench rl "$tmp/recipe.yaml" --repeat 1 --threads 1
has "rollout"
has "64 at once"
run 2 rl "$tmp/recipe.yaml" --set rl.loss=ppo --dry-run
says 'rl.loss is "ppo", it may be grpo, dapo, dr_grpo, gspo, cispo'
run 0 rl "$tmp/recipe.yaml" --set rollout.temperature=0.7 --run "$tmp/cool" --threads 1
run 2 rl "$tmp/recipe.yaml" --set rollout.temperature=0 --dry-run
run 2 rl "$tmp/recipe.yaml" --set rl.los=grpo --dry-run
exit $bad
