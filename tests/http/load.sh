#!/usr/bin/env bash
# 500 streams at 50 tokens/s each: nothing is lost; the memory is held against a limit, the delay is
# printed (its figure needs a quiet machine: docs/serve.md).
set -u
build=${TARN_TEST_BUILD:-build/latest}
dir=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
"$build/tests/http/fake_server" --listen 127.0.0.1:0 --state "$dir/state" --max-queue 2000 >"$dir/out" 2>&1 &
pid=$!
for _ in $(seq 600); do grep -q port "$dir/out" && break; sleep 0.1; done
port=$(sed -n 's/port //p' "$dir/out")
line=$("$build/tests/http/load" "$port" "${STREAMS:-500}" "${TOKENS:-200}" 20 "$pid") || { echo "$line"; cat "$dir/out"; exit 1; }
echo "$line"
mb=$(sed -E 's/.*memory ([0-9.]+) MB.*/\1/' <<<"$line")
awk -v m="$mb" -v most="${MB_LIMIT:-100}" 'BEGIN { exit !(m < most) }'
