#!/usr/bin/env bash
# The long proof that nothing committed is lost: kill -9 under load, so many times (500), every page
# compared with keys and values that are computed again; and death at every store of every operation
# of the cache, which the tests run as well.
#
#   scripts/crash.sh [KILLS]
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-500}
scripts/setup.sh
cmake --preset release >/dev/null
cmake --build build/release --target hearthd test_cache test_restart
build/release/tests/test_cache --gtest_filter='Crash.*:Damage.*'
# At most ten seconds a kill, sanitizers not counted.
HEARTH_KILLS=$kills timeout $((60 + 10 * kills)) \
  build/release/tests/test_restart --gtest_filter='restart.killed_at_random*'
