#!/usr/bin/env bash
# The sandbox: a probe linked with the server's lockdown cannot open another file, connect, make a
# socket or start a program; the state directory stays usable.
set -u
build=${TARN_TEST_BUILD:-build/latest}
# The search for leaks at the end is one of the things that are refused.
ASAN_OPTIONS=detect_leaks=0 exec "$build/tests/http/sandbox_probe" run
