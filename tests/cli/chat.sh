#!/usr/bin/env bash
# `tarn chat` in a real terminal (tmux): thinking and Ctrl-C in both phases, commands, a paste of 5,000
# lines, a killed program's conversation, Markdown, wide characters, narrow windows.
. tests/cli/lib.bash
command -v tmux >/dev/null || skip "tmux is not installed"
export HOME=$tmp/home TERM=xterm-256color
mkdir -p "$HOME"
unset NO_COLOR TMUX
server=tarn-$$ life=0 seed=1 before=
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
wait_match() {
    for _ in $(seq 300); do
        screen | grep -qE "$1" && return 0
        at_prompt && return 1
        sleep 0.1
    done
    return 1
}
at_prompt() { [ "$(screen | sed '/^ *$/d' | tail -1 | sed 's/ *$//')" = ">" ]; }
# Waits until the last line is the prompt.
wait_prompt() {
    for _ in $(seq 600); do
        at_prompt && return 0
        sleep 0.1
    done
    fail "no prompt: $(screen | tail -20)"
}
# Rows as the terminal shows them; screen() joins what was wrapped, and a model's random words have no
# line ends.
rows() { tm capture-pane -p -t t -S - | sed '/^ *$/d' | wc -l; }
wait_rows() {
    for _ in $(seq 300); do
        [ "$(rows)" -ge "$1" ] && return 0
        at_prompt && return 1
        sleep 0.1
    done
    return 1
}
type_in() { tm send-keys -t t -l "$1" && tm send-keys -t t Enter; }
begin() { # columns, rows, options
    local cols=$1 rows=$2
    shift 2
    tm kill-server 2>/dev/null
    life=$((life + 1)) # a server that is on its way out takes new sessions with it
    tm new-session -d -s t -x "$cols" -y "$rows" \
        "$before exec $tarn chat $tmp/m.gguf --template deepseek-r1 --ctx 8192 --seed $seed $* 2>&1"
    tm set-option -t t history-limit 20000 >/dev/null
    wait_for "/help for commands"
}

# The first Ctrl-C ends the thinking, the second the answer. Status 2: random weights ended one of the
# two by themselves, so nothing was shown; another seed does better.
two_stops() {
    begin 80 24 --max 7000
    type_in "why is the sky blue?"
    wait_rows 5 || return 2 # it thinks now; a Ctrl-C before that would end the request
    case $(screen) in *"thought "*) return 2 ;; esac
    wait_match 'thinking [0-9]+ s, [0-9]+ tokens' || return 2 # the counter below the thought
    tm send-keys -t t C-c
    wait_for "thought " || return 1
    case $(screen) in *" 7000 tokens"* | *thinking*) return 1 ;; esac
    wait_rows 6 || return 2 # it answers now
    tm send-keys -t t C-c
    wait_prompt
    case $(screen) in *"(stopped)"*) return 0 ;; *"(cut:"*) return 1 ;; esac
    return 2
}
# Also when the program was started with the signal ignored, as shells start what runs behind them.
for before in "" "trap '' INT;"; do
    for seed in 1 2 3 4 5; do
        two_stops
        status=$?
        [ $status -eq 2 ] || break
    done
    [ $status -eq 0 ] || fail "Ctrl-C twice ($before): $(screen | tail -20)"
done
seed=1 before=
# The folded thought comes back, between the prompt and what was typed so far; the answer is copied.
chat=$(ls "$HOME"/.local/share/tarn/chats/*.json | tail -1)
field() { sed -n "s/.*\"role\":\"assistant\".*\"$1\":\"\([a-z]\{2,\}[a-z ]*\).*/\1/p" "$chat"; }
thought=$(field reasoning)
[ -n "$thought" ] || fail "no reasoning in $chat: $(cut -c1-300 "$chat")"
tm send-keys -t t -l "half a"
tm send-keys -t t C-o
wait_for "$thought"
wait_for "> half a"
tm send-keys -t t C-u
tm set-option -s set-clipboard on
type_in "/copy"
wait_for "bytes sent to the terminal's clipboard"
copied=$(tm show-buffer | wc -c)
case $(screen) in *"$copied bytes sent"*) ;; *) fail "the clipboard has $copied bytes: $(screen | tail -3)" ;; esac
case $(tm show-buffer) in *"$(field content)"*) ;; *) fail "the clipboard has: $(tm show-buffer | head -c 200)" ;; esac
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
