#!/usr/bin/env bash
# Two servers on one PostgreSQL ledger (tests/http/pgsql.mjs). The database is a real server: the one that
# TARN_TEST_PGSQL names (a libpq connection string), else Debian's, started here on a folder of its own.
# The fake server is linked with the PostgreSQL store whatever the build has. 77 means skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${TARN_TEST_BUILD:-build/latest}
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
case $build in *asan* | *tsan* | *cover*) echo "skipped: not linked with sanitizers"; exit 77 ;; esac
pkg-config --exists libpq || { echo "skipped: libpq-dev is not installed"; exit 77; }
tmp=$(mktemp -d)
as=() data=$tmp/data
stop() {
    [ -f "$data/postmaster.pid" ] && "${as[@]}" "$bin/pg_ctl" -D "$data" -m immediate -s stop
    rm -rf "$tmp"
}
trap stop EXIT

# shellcheck disable=SC2046
"${CC:-cc}" -std=c17 -O1 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -DTARN_PGSQL=1 "-DTARN_VERSION=\"test\"" -I src -I tests \
    $(pkg-config --cflags libpq) tests/http/fake_server.c src/meter/store.c src/meter/store_pgsql.c "$build/libtarn-all.a" \
    -Wl,--as-needed $(pkg-config --libs libpq $(sed -n 's/^PKGS := //p; s/^OPT_PKGS := //p' Makefile)) \
    $(sed -n 's/^FLINT_LIBS := //p' Makefile) -lmd4c -lm -pthread -o "$tmp/fake_server" || exit 1
export TARN_TEST_SERVER=$tmp/fake_server

if [ -z "${TARN_TEST_PGSQL:-}" ]; then
    bin=$(find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] || { echo "skipped: postgresql is not installed and TARN_TEST_PGSQL names no database"; exit 77; }
    if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
        id postgres >/dev/null 2>&1 || { echo "skipped: there is no user to run PostgreSQL as"; exit 77; }
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chmod 755 "$tmp" && mkdir "$data" && chown postgres "$data"
    fi
    port=$((20000 + $$ % 20000))
    { cd / && "${as[@]}" "$bin/initdb" -D "$data" -U tarn -A trust --no-sync -E UTF8 --locale=C >"$tmp/log" 2>&1 &&
        "${as[@]}" "$bin/pg_ctl" -D "$data" -s -w -t 60 -l "$data/log" \
            -o "-c listen_addresses=127.0.0.1 -p $port -k $data -F" start >>"$tmp/log" 2>&1; } ||
        { echo "PostgreSQL does not start"; cat "$tmp/log" "$data/log"; exit 1; }
    cd "$OLDPWD" || exit 1
    export TARN_TEST_PGSQL="host=127.0.0.1 port=$port user=tarn dbname=postgres"
fi
node tests/http/pgsql.mjs
