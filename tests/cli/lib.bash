# lib.bash - what the command-line tests share. Sourced; the working folder is the repository.
#
#   run STATUS WORDS...      runs tarn, expects the exit status; $out and $err hold what it wrote
#   has TEXT  says TEXT      the output, the messages contain the text
#   same A B                 two files hold the same bytes
set -u
export LC_ALL=C.UTF-8 NO_COLOR=1
unset TARN_THREADS TARN_CPU TARN_MODELS
build=${TARN_TEST_BUILD:-build/latest}
tarn=$build/tarn
data=${TARN_TEST_DATA:-../shared/data}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
fail() {
    echo "FAILED: $*"
    bad=1
}
run() {
    local want=$1 status=0
    shift
    last="tarn $*"
    "$tarn" "$@" >"$tmp/.out" 2>"$tmp/.err" </dev/null || status=$?
    out=$(tr -d '\0' <"$tmp/.out") err=$(cat "$tmp/.err")
    [ $status -eq "$want" ] || fail "$last: exit status $status, want $want; it said: $err"
}
has() { case $out in *"$1"*) ;; *) fail "$last: no \"$1\" in: ${out:0:400}" ;; esac; }
says() { case $err in *"$1"*) ;; *) fail "$last: no \"$1\" in: ${err:0:400}" ;; esac; }
same() { cmp "$1" "$2" || fail "$last: $1 and $2 differ"; }
bytes() { stat -c %s "$1"; }
skip() {
    echo "skipped: $*"
    exit 77
}
