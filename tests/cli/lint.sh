#!/usr/bin/env bash
# The house rules (tools/lint) hold: layers, names, format, headers, links in the documents.
. tests/cli/lib.bash
git rev-parse --git-dir >/dev/null 2>&1 || skip "not a git checkout"
tools/lint "$build" || exit 1
