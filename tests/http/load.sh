#!/usr/bin/env bash
# 500 streams at 50 tokens/s each: nothing is lost; the delay and the memory are printed and held
# against the promise (p99 below 50 ms, below 60 MB) where the processes may run ahead of others, else
# against a wide limit for the delay: a busy machine says nothing about the server.
set -u
build=${TARN_TEST_BUILD:-build/latest}
first=() p99_limit=1000 mb_limit=60
chrt -f 1 true 2>/dev/null && first=(chrt -f 1) p99_limit=50
case $build in *asan* | *tsan* | *cover*) p99_limit=5000 mb_limit=1000 ;; esac
dir=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT

round() {
    "${first[@]}" "$build/tests/http/fake_server" --listen 127.0.0.1:0 --state "$dir/state" --max-queue 2000 >"$dir/out" 2>&1 &
    pid=$!
    for _ in $(seq 50); do grep -q port "$dir/out" && break; sleep 0.1; done
    port=$(sed -n 's/port //p' "$dir/out")
    line=$("${first[@]}" "$build/tests/http/load" "$port" "${STREAMS:-500}" "${TOKENS:-200}" 20 "$pid") || { echo "$line"; cat "$dir/out"; exit 1; }
    kill "$pid" && wait "$pid"
    echo "$line"
    p99=$(sed -E 's/.*p99 ([0-9.]+) ms.*/\1/' <<<"$line") mb=$(sed -E 's/.*memory ([0-9.]+) MB.*/\1/' <<<"$line")
    awk -v p="$p99" -v m="$mb" -v pl="${P99_LIMIT:-$p99_limit}" -v ml="${MB_LIMIT:-$mb_limit}" 'BEGIN { exit !(p < pl && m < ml) }'
}
# Something else may have had the machine for a moment: the best of three counts.
round || round || round
