#!/usr/bin/env bash
# The other compiler reads every file without a warning.
. tests/cli/lib.bash
command -v clang >/dev/null || skip "clang is not installed"
case $build in *asan* | *tsan* | *debug* | *cover*) skip "once is enough: with the release build" ;; esac
env -u MAKEFLAGS -u MAKELEVEL make -s -k -j"$(nproc)" CC=clang syntax || exit 1
