#!/usr/bin/env bash
# The small model that comes with tarn answers where none is named: found in models/ here, beside the
# program that was built, and under share/ of one that was installed; when it is absent, that is said.
. tests/cli/lib.bash
# Drafts of its own MTP layer are often right, and never change a token (bench says so itself).
run 0 bench models/tarn-small.gguf --drafts --tg 64 --repeat 3 --json
[ "$(grep -c '"times_plain":[0-9.]*,' <<<"$out")" = 3 ] || fail "three texts: $out"
grep -q '"test":"drafts: its own answers".*"mtp_accepted":[1-9]' <<<"$out" || fail "no draft was right: $out"

# a program without anything beside it, in a folder of its own
mkdir -p "$tmp/usr/bin" "$tmp/here"
cp "$tarn" "$tmp/usr/bin/tarn"
tarn=$tmp/usr/bin/tarn
export HOME=$tmp/home
unset TARN_MODELS
cd "$tmp/here" || exit 1
run 4 ask "What is 2+2?"; says "tarn-small.gguf, the small one that comes with tarn, is not here"; says hint:
run 4 chat; says "is not here"
run 4 serve --listen 127.0.0.1:0; says "is not here"

run 0 synth v3-tiny --type q8_0 --seed 1 -o "$tmp/m.gguf"
answers() { # where
    run 3 ask "What is 2+2?" --max 3; says "cut after 3 tokens"
    run 0 list; has tarn-small
    [ "$(grep -c tarn-small <<<"$out")" = 1 ] || fail "$1: listed twice"
}
mkdir models
mv "$tmp/m.gguf" models/tarn-small.gguf
answers "in models/ here"
mkdir -p "$tmp/usr/share/tarn"
mv models "$tmp/usr/share/tarn/models"
answers "installed"
mkdir -p "$tmp/usr/tree/build/release-1"
mv "$tmp/usr/share/tarn/models" "$tmp/usr/tree/models"
mv "$tarn" "$tmp/usr/tree/build/release-1/tarn"
tarn=$tmp/usr/tree/build/release-1/tarn
answers "built"
cd "$tmp/usr/tree" || exit 1
answers "built, from its own folder"

"$tarn" serve --listen 127.0.0.1:0 --state "$tmp/state" 2>"$tmp/serve.log" &
pid=$!
for _ in $(seq 100); do grep -q "page is at" "$tmp/serve.log" && break; sleep 0.2; done
grep -Eq 'the chat page is at http://127\.0\.0\.1:[0-9]+/' "$tmp/serve.log" || fail "no address: $(cat "$tmp/serve.log")"
kill -TERM $pid
wait $pid || fail "tarn serve ended with $?"
exit $bad
