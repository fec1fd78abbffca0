#!/usr/bin/env bash
# A training run that is asked to end by a service manager or a terminal saves what it has, says so,
# and goes on from there: sft and rl, one SIGTERM and several.
. tests/cli/lib.bash
run 0 task addition -n 100 --level 1
cp "$tmp/.out" "$tmp/sums.jsonl"
run 0 tokenizer train "$tmp/sums.jsonl" --vocab 300 -o "$tmp/tok"
cat >"$tmp/train.yaml" <<END
model: {n_embd: 32, n_layer: 1, n_head: 2, n_head_kv: 1, head_dim: 16, n_ff: 64}
data: {path: $tmp/sums.jsonl, tokenizer: $tmp/tok, seq_rows: 128}
train: {steps: 1000000, batch_rows: 512, micro_rows: 256, warmup: 2, save_every: 0}
END
cat >"$tmp/rl.yaml" <<END
init: $tmp/run-train
task: {families: addition, levels: 1}
rollout: {prompts: 2, group: 2, max_prompt: 128, max_tokens: 8}
rl: {format: none}
train: {steps: 1000000, micro_rows: 256, save_every: 0}
END

# usage: stopped VERB RECIPE SIGNAL TIMES
stopped() {
    local run=$tmp/run-$1 pid rc=0 i lines
    rm -rf "$run"
    "$tarn" "$1" "$2" --run "$run" --threads 1 >"$tmp/.out" 2>"$tmp/.err" &
    pid=$!
    for i in $(seq 300); do
        [ "$(wc -l 2>/dev/null <"$run/metrics.jsonl" || echo 0)" -ge 3 ] && break
        sleep 0.1
    done
    for i in $(seq "$4"); do kill "-$3" "$pid" 2>/dev/null || true; done
    wait "$pid" || rc=$?
    err=$(cat "$tmp/.err") last="tarn $1"
    [ "$rc" -eq 130 ] || fail "$1: status $rc after $4 times SIG$3, not 130"
    lines=$(wc -l <"$run/metrics.jsonl")
    says "stopped after $lines steps; --resume goes on"
    ls "$run"/ckpt-* >/dev/null 2>&1 || fail "$1: no checkpoint after SIG$3"
}
stopped train "$tmp/train.yaml" TERM 1
stopped train "$tmp/train.yaml" TERM 3
stopped train "$tmp/train.yaml" HUP 1
stopped rl "$tmp/rl.yaml" TERM 1
stopped rl "$tmp/rl.yaml" TERM 3
run 0 rl "$tmp/rl.yaml" --run "$tmp/run-rl" --resume --set train.steps=1 --threads 1

# A checkpoint knows its optimizer.
n=$(ls "$tmp/run-train" | sed -n 's/^ckpt-0*//p')
run 0 train "$tmp/train.yaml" --run "$tmp/run-train" --resume --set train.steps=$((n + 1)) --threads 1
run 4 train "$tmp/train.yaml" --run "$tmp/run-train" --resume --set train.optimizer=muon --threads 1
says "optimizer is adamw, the run has muon"
exit $bad
