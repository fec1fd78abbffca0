#!/usr/bin/env bash
# Runs tests/http/feedback.mjs: from a reader's judgement to a training step; 77 means skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node tests/http/feedback.mjs
