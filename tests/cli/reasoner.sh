#!/usr/bin/env bash
# tools/learn from end to end with a few steps of everything: its stages fit together, it goes on where
# it was stopped, and its page has every stage. What it teaches is for `make learn` to show.
. tests/cli/lib.bash
export TARN=$PWD/$tarn LEARN_QUICK=1 THREADS=1
learn() { tools/learn "$tmp/learn" >"$tmp/out" 2>"$tmp/err"; }

tools/learn "$tmp/learn" >"$tmp/out" 2>"$tmp/err" & # not the function: its pid is the script's
pid=$!
for i in $(seq 600); do
    [ -e "$tmp/learn/zero/run.yaml" ] && break
    sleep 0.1
done
child=$(pgrep -P "$pid" -x tarn | head -1)
[ -n "$child" ] && kill "$child"
wait "$pid" && fail "it was not stopped"
[ -e "$tmp/learn/base/finished" ] || fail "the base model is not finished"
was=$(stat -c %Y "$tmp/learn/base/finished")

learn || fail "tools/learn failed: $(tail -3 "$tmp/err")"
[ "$(stat -c %Y "$tmp/learn/base/finished")" = "$was" ] || fail "the base model was made again"
for stage in base zero cold rl small small-rl student; do
    grep -q "^== $stage " "$tmp/out" || fail "no stage $stage in the output"
    [ -e "$tmp/learn/$stage/finished" ] || fail "$stage is not finished"
    for column in practised level family; do
        [ -s "$tmp/learn/eval/$stage-$column.json" ] || fail "no $column of $stage"
    done
done
[ "$(grep -c 'first answers to the first three problems' "$tmp/out")" -eq 12 ] ||
    fail "answers before and after are not shown"
grep -q "MISSED\|reached" "$tmp/out" || fail "no targets at the end"
grep -q "nothing is picked" "$tmp/learn/report.html" || fail "no thoughts on the page"
grep -q "https\?://\|<script" "$tmp/learn/report.html" && fail "the page is not self-contained"

run 0 runs "$tmp/learn" --story
has "targets"
run 0 runs "$tmp/learn" --story --json
echo "$out" | grep -q '"name":"student",.*"level":{"problems":3,' || fail "no student in: $out"
run 4 runs "$tmp" --story
exit $bad
