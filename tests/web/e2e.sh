#!/usr/bin/env bash
# The chat page in a headless Chromium against the mock server. CHROMIUM names another browser.
set -u
cd "$(dirname "$0")/../.."
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser)}
[ -n "$CHROMIUM" ] || { echo "skipped: chromium is not installed"; exit 77; }
tools/build-web || exit $?
cd web && exec node --test --test-concurrency=1 --test-timeout=240000 test/e2e/
