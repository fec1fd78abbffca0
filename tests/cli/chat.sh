#!/usr/bin/env bash
# `tarn chat` in a real terminal (tmux): thinking and Ctrl-C in both phases, commands, a paste of 5,000
# lines, a killed program's conversation, Markdown, wide characters, narrow windows.
. tests/cli/lib.bash
command -v tmux >/dev/null || skip "tmux is not installed"
export HOME=$tmp/home TERM=xterm-256color
mkdir -p "$HOME"
unset NO_COLOR TMUX
server=tarn-$$ life=0
tm() { tmux -L "$server-$life" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null; rm -rf "$tmp"' EXIT
# Random weights stop at every token with the same small chance: a large vocabulary makes it small
# enough for an answer to go on until it is stopped.
run 0 synth v3-tiny --type q8_0 -o "$tmp/shape.gguf"
run 0 convert "$tmp/shape.gguf" -o "$tmp/shape"
sed -i 's/"vocab_size": 4096/"vocab_size": 60000/' "$tmp/shape/config.json"
run 0 synth "$tmp/shape/config.json" --type q8_0 -o "$tmp/m.gguf"

screen() { tm capture-pane -p -t t -S - -J 2>&1; }
# Waits until the screen (and what scrolled away) has the text; the limit is for a machine that is
# very busy.
wait_for() {
    for _ in $(seq 300); do
        case $(screen) in *"$1"*) return 0 ;; *"no server"*) break ;; esac
        sleep 0.1
    done
    fail "no \"$1\" on the screen: $(screen | tail -20)"
    return 1
}
# Waits until the last line is the prompt.
wait_prompt() {
    for _ in $(seq 600); do
        [ "$(screen | sed '/^ *$/d' | tail -1 | sed 's/ *$//')" = ">" ] && return 0
        sleep 0.1
    done
    fail "no prompt: $(screen | tail -20)"
}
wait_lines() {
    for _ in $(seq 300); do
        [ "$(screen | sed '/^ *$/d' | wc -l)" -ge "$1" ] && return 0
        sleep 0.1
    done
    fail "fewer than $1 lines: $(screen)"
}
rows() { tm capture-pane -p -t t -S - | sed '/^ *$/d' | wc -l; }
type_in() { tm send-keys -t t -l "$1" && tm send-keys -t t Enter; }
begin() { # columns, rows, options
    local cols=$1 rows=$2
    shift 2
    tm kill-server 2>/dev/null
    life=$((life + 1)) # a server that is on its way out takes new sessions with it
    tm new-session -d -s t -x "$cols" -y "$rows" \
        "exec $tarn chat $tmp/m.gguf --template deepseek-r1 --ctx 8192 --seed 1 $* 2>&1; sleep 1000"
    tm set-option -t t history-limit 20000 >/dev/null
    wait_for "/help for commands"
}

# The first Ctrl-C ends the thinking, the second the answer. An answer may end by itself in between:
# then once more.
for _ in 1 2; do
    begin 80 24 --max 6000
    type_in "why is the sky blue?"
    wait_lines 4 # it thinks now; a Ctrl-C before that would end the request
    tm send-keys -t t C-c
    wait_for "thought " && wait_for "tokens"
    at=$(rows)
    for _ in $(seq 50); do [ "$(rows)" -ge $((at + 2)) ] && break; sleep 0.1; done # it answers now
    tm send-keys -t t C-c
    for _ in $(seq 50); do case $(screen) in *"(stopped)"*) break 2 ;; esac; sleep 0.1; done
done
case $(screen) in *"(stopped)"*) ;; *)
    echo "skipped: Ctrl-C in the answer: it does not reach the program in a session without a terminal"
    exit $((bad ? bad : 77)) ;;
esac
wait_prompt
type_in "/usage"
wait_for "2 messages"
type_in "/think 5"
type_in "/set max 20"
type_in "and the sea?"
wait_for "(cut:"
wait_prompt
type_in "/usage"
wait_for "4 messages"
type_in "/nonsense"
wait_for "there is no command /nonsense"
type_in "/export $tmp/talk.md"
wait_prompt
grep -q "and the sea" "$tmp/talk.md" || fail "the export lacks the question"
type_in "/quit"
for f in "$HOME"/.local/share/tarn/chats/*.json; do
    [ "$(stat -c %a "$f")" = 600 ] || fail "$f has mode $(stat -c %a "$f")"
done

# A paste of 5,000 lines is one message.
begin 80 24 --max 3 --think off
for i in $(seq 5000); do echo "line $i"; done >"$tmp/paste"
tm load-buffer "$tmp/paste"
tm paste-buffer -p -t t
wait_for "[pasted 5001 lines #1]" || true
tm send-keys -t t Enter
wait_for "the prompt has" # too long for this context: both numbers, and the chat goes on
wait_prompt

# Killed while it answers: the question is there after that.
begin 80 24 --max 7000 --think 100000
type_in "a question that stays"
for _ in $(seq 300); do
    grep -qs "a question that stays" "$HOME"/.local/share/tarn/chats/*.json && break
    sleep 0.1
done
kill -9 "$(tm list-panes -t t -F '#{pane_pid}')" 2>/dev/null
begin 80 24 --max 20 --think off --resume
wait_for "the last message has no answer"
type_in "/retry"
wait_for "(cut:"
type_in "/usage"
wait_for "2 messages"

# Markdown, in a wide and in a narrow window.
cat >"$HOME/.local/share/tarn/chats/shown.json" <<'J'
{"name":"shown","model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":
"# Heading\n\nSome **bold** words, and a formula \\(x^2 \\le \\alpha\\), in a line that is long enough to be wrapped.\n\n- one\n- 二つ目の項目\n\n```c\nint main(void);\n```\n\n| name | n |\n|------|--:|\n| 猫 | 12 |\n\nThe end."}]}
J
begin 80 24 --session shown
wait_for "The end."
out=$(screen) last="a window of 80 columns"
has "Some bold words, and a formula x² ≤ α, in a line"
has "• 二つ目の項目"
has "  int main(void);"
has "猫   │ 12"
case $out in *'**'* | *'```'*) fail "marks were left: $out" ;; esac
begin 20 30 --session shown
wait_for "The end."
out=$(tm capture-pane -p -t t -S -) last="a window of 20 columns"
has "Some bold words, and"
has "• 二つ目の項目"
while IFS= read -r line; do
    [ ${#line} -le 20 ] || fail "a line of ${#line} characters: $line"
done <<<"$out"
NO_COLOR=1 begin 80 24 --session shown --plain
wait_for '**bold**'
exit $bad
