#!/usr/bin/env bash
# `tarn doctor` looks at what it says it looks at: a good model, a broken one, an open port.
. tests/cli/lib.bash
port=$((20000 + RANDOM % 20000))
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$tmp"' EXIT
run 0 synth v3-tiny --type q8_0 --seed 1 -o "$tmp/m.gguf"
run 0 doctor "$tmp/m.gguf" --quick --port $port --json
for check in cpu threads memory port disk plan request resident; do has "\"check\":\"$check\""; done
has "nobody listens on $port"
has "twice the same"
has '"bad":0'
TARN_CPU=ref run 0 doctor --quick --port $port
has "unset TARN_CPU"
head -c 100000 "$tmp/m.gguf" >"$tmp/cut.gguf"
run 1 doctor "$tmp/cut.gguf" --quick --port $port
has "BAD   model"
says "1 of the checks failed"
run 1 doctor "$tmp/m.gguf" --quick --port $port --ctx 16000000
has "BAD   model"

serve() { # options
    "$tarn" serve "$tmp/m.gguf" --state "$tmp/state" "$@" >"$tmp/serve.out" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        "$tarn" doctor --quick --port $port >"$tmp/.out" 2>&1
        grep -q "ok    server" "$tmp/.out" && return
        kill -0 $server 2>/dev/null || break
        sleep 0.2
    done
    fail "the server is not seen: $(cat "$tmp/.out" "$tmp/serve.out")"
}
serve --listen 127.0.0.1:$port --api-key secret-secret-secret
run 0 doctor --quick --port $port
has "listens on this machine only and asks for a key"
kill $server && wait $server 2>/dev/null
serve --listen 0.0.0.0:$port --i-know-anybody-can-use-it
run 1 doctor --quick --port $port
has "open to the network and answers without a key"
exit $bad
