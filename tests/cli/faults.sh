#!/usr/bin/env bash
# What the machine does to the program: a full disk under a conversation, a model that is cut off while
# it answers. A sentence and a status, no crash.
. tests/cli/lib.bash
export HOME=$tmp/home
mkdir -p "$HOME"
run 0 synth v3-tiny --type q8_0 --seed 1 -o "$tmp/m.gguf"

if command -v bwrap >/dev/null && bwrap --bind / / true 2>/dev/null; then
    head -c 200000 /dev/urandom | base64 -w 0 | head -c 100000 >"$tmp/long"
    status=0
    bwrap --bind / / --size 65536 --tmpfs "$HOME" "$tarn" chat "$tmp/m.gguf" \
        --template deepseek-r1 --max 2 <"$tmp/long" >"$tmp/.out" 2>"$tmp/.err" || status=$?
    err=$(cat "$tmp/.err") last="chat with a full disk"
    [ $status -eq 4 ] || fail "$last: status $status: $err"
    says "No space left"
else
    echo "skipped: no bubblewrap for a small disk"
fi

# Cut while it runs: the tokens so far are there, then one sentence.
cp "$tmp/m.gguf" "$tmp/cut.gguf"
status=0
"$tarn" ask "$tmp/cut.gguf" "go on" --raw --temp 0.9 --seed 4 --max 100000 --ctx 8192 --cache-type f32 \
    >"$tmp/.out" 2>"$tmp/.err" </dev/null &
pid=$!
for _ in $(seq 600); do
    [ -s "$tmp/.out" ] && break
    sleep 0.1
done
truncate -s 1000 "$tmp/cut.gguf"
wait $pid || status=$?
err=$(cat "$tmp/.err") last="ask of a model that is cut"
if [ $status -ne 4 ]; then
    [ $status -eq 0 ] || [ $status -eq 3 ] || fail "$last: status $status: $err"
else
    says "shorter"
fi
exit $bad
