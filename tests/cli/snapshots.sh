#!/usr/bin/env bash
# A prefix outlives the program: the second run takes it from disk, says so, and answers the same.
. tests/cli/lib.bash
run 0 synth v3-tiny --type q8_0 --seed 1 -o "$tmp/m.gguf"
for i in $(seq 200); do printf 'word%d ' $i; done >"$tmp/text"
ask() {
    status=0
    "$tarn" ask "$tmp/m.gguf" --raw --json --temp 0 --max 8 --ctx 2048 --snapshots "$tmp/kept" \
        --log info "$@" <"$tmp/text" >"$tmp/.out" 2>"$tmp/.err" || status=$?
    out=$(cat "$tmp/.out") err=$(cat "$tmp/.err") last="ask $*"
    case $status in 0 | 3) ;; *) fail "$last: exit status $status: $err" ;; esac
}
answer() { printf '%s' "$out" | sed 's/.*"answer":\(.*\),"reasoning".*/\1/'; }
cached() { printf '%s' "$out" | sed 's/.*"cached_tokens":\([0-9]*\).*/\1/'; }
ask
first=$(answer)
[ "$(cached)" = 0 ] || fail "a first run found $(cached) tokens"
[ "$(stat -c %a "$tmp/kept")" = 700 ] || fail "the directory has mode $(stat -c %a "$tmp/kept")"
for f in "$tmp"/kept/*.kv; do
    [ "$(stat -c %a "$f")" = 600 ] || fail "$f has mode $(stat -c %a "$f")"
done
ask
says "tokens from snapshots"
[ "$(cached)" -gt 300 ] || fail "only $(cached) tokens came from disk"
[ "$(answer)" = "$first" ] || fail "another answer: $(answer), first: $first"
ask --cache-type f32
[ "$(cached)" = 0 ] || fail "other numerics found $(cached) tokens"
for f in "$tmp"/kept/*.kv; do head -c 5000 "$f" >"$tmp/cut" && cat "$tmp/cut" >"$f"; done
ask
says "it is removed"
[ "$(answer)" = "$first" ] || fail "after damage: $(answer), first: $first"
chmod 755 "$tmp/kept"
run 2 ask "$tmp/m.gguf" x --raw --snapshots "$tmp/kept"
says "may be used by others"
exit $bad
