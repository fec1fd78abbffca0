#!/usr/bin/env bash
# The chat page's modules under node: event stream, block splitter, tree, files, languages, prices.
set -u
cd "$(dirname "$0")/../.."
tools/build-web || exit $?
cd web && exec node --test test/unit/*.test.mjs
