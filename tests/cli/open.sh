#!/usr/bin/env bash
# `tarn serve --open`: the page's address reaches the browser's starter, from inside the sandbox's reach
# only before it closes; without a display nothing is started; nothing is left behind.
. tests/cli/lib.bash
command -v setsid >/dev/null || skip "setsid is not here"
[ -f models/tarn-small.gguf ] || skip "the model that ships is not here"
mkdir "$tmp/bin"
printf '#!/bin/sh\nprintf "%%s\\n" "$*" >>"%s/opened"\n' "$tmp" >"$tmp/bin/xdg-open"
chmod +x "$tmp/bin/xdg-open"

serve() { # environment words...
    env -u DISPLAY -u WAYLAND_DISPLAY PATH="$tmp/bin:$PATH" "$@" setsid "$tarn" serve --open --listen 127.0.0.1:0 \
        --state "$tmp/state" 2>"$tmp/err" &
    pid=$!
    for _ in $(seq 300); do
        grep -q "page is at" "$tmp/err" && break
        sleep 0.1
    done
    url=$(sed -n 's/.*page is at //p' "$tmp/err")
    [ -n "$url" ] || fail "no address: $(cat "$tmp/err")"
}
stop() {
    kill "$pid"
    wait "$pid" || fail "the server ended with $?"
    pgrep -s "$pid" >/dev/null && fail "a process is left behind: $(pgrep -a -s "$pid")"
}
answers() { # path text
    local port=${url##*:}
    exec 3<>"/dev/tcp/127.0.0.1/${port%/}" || return
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
    tr -d '\0' <&3 | grep -q "$2" || fail "$1 does not say $2"
    exec 3>&-
}

serve DISPLAY=:99
for _ in $(seq 100); do [ -s "$tmp/opened" ] && break; sleep 0.1; done
[ "$(cat "$tmp/opened")" = "$url" ] || fail "opened: $(cat "$tmp/opened"), want $url"
answers /v1/models tarn-small
stop
rm "$tmp/opened"

serve NO_DISPLAY=1
answers /health '"ok"'
stop
[ ! -e "$tmp/opened" ] || fail "a browser was started without a display"

# a server that cannot start opens nothing
DISPLAY=:99 PATH="$tmp/bin:$PATH" run 2 serve --open --listen 0.0.0.0:0 --state "$tmp/state"
sleep 0.3
[ ! -e "$tmp/opened" ] || fail "a browser was started for a server that did not"
exit $bad
