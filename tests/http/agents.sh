#!/usr/bin/env bash
# Codex and Claude Code, unmodified, from the npm registry where it can be reached (about 250 MB, kept
# under build/); exit status 77 means skipped.
set -u
cd "$(dirname "$0")/../.."
command -v npm >/dev/null || { echo "skipped: npm is not here"; exit 77; }
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "skipped: the agents' programs are fetched for Linux on x86-64 only"; exit 77; }
dir=build/npm/agents
if ! cmp -s tests/http/agents/package-lock.json $dir/node_modules/.from; then
    rm -rf $dir && mkdir -p $dir && cp tests/http/agents/package*.json $dir
    (cd $dir && timeout 400 npm ci --no-audit --no-fund --ignore-scripts --silent >/dev/null 2>&1) ||
        { rm -rf $dir; echo "skipped: the npm registry cannot be reached"; exit 77; }
    cp tests/http/agents/package-lock.json $dir/node_modules/.from
fi
exec node tests/http/agents/run.mjs "$PWD/$dir/node_modules"
