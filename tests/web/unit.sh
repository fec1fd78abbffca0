#!/usr/bin/env bash
# The chat page's modules under node: event stream, block splitter, tree, files, languages, prices.
set -u
cd "$(dirname "$0")/../.."
tools/build-web || exit $?
# Node 18 has the browser's crypto object behind an option.
crypto=--experimental-global-webcrypto
node $crypto --version >/dev/null 2>&1 || crypto=
# shellcheck disable=SC2086
cd web && exec node $crypto --test test/unit/*.test.mjs
