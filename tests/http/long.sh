#!/usr/bin/env bash
# Runs tests/http/long.mjs: an answer that takes 12 s, or SECONDS_LONG (660: longer than any client waits in
# silence); 77 means skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
modules=tests/http/clients/node_modules
[ -d $modules/openai ] && modules=$PWD/$modules || modules=
exec node tests/http/long.mjs "${SECONDS_LONG:-12}" "$modules"
