#!/usr/bin/env bash
# Every test: optimised, then under AddressSanitizer and UndefinedBehaviorSanitizer, then those of
# more than one thread under ThreadSanitizer.  Prints ctest's summary of each.
#
#   scripts/test.sh            all three
#   scripts/test.sh release    only that one; or debug, or tsan
set -euo pipefail
cd "$(dirname "$0")/.."

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}

presets=("$@")
[[ ${#presets[@]} -gt 0 ]] || presets=(release debug tsan)

# run PRESET: configure, build, test; the log of a build only when it fails.
run() {
  local preset=$1 log=build/$1.log
  local target=all select=()
  case $preset in
    release | debug) ;;
    tsan) target=thread_tests select=(--label-regex threads) ;;
    *) echo "test: no preset $preset: release, debug, tsan" >&2 && exit 2 ;;
  esac
  echo "test: $preset: building"
  mkdir -p build
  { cmake --preset "$preset" && cmake --build "build/$preset" --target "$target"; } >"$log" 2>&1 || {
    tail -n 60 "$log" >&2
    echo "test: $preset: the build failed; all of it is in $log" >&2
    return 1
  }
  echo "test: $preset: running"
  ctest --test-dir "build/$preset" --no-tests=error --output-on-failure "${select[@]}"
}

scripts/setup.sh
failed=()
for preset in "${presets[@]}"; do
  run "$preset" || failed+=("$preset")
done
[[ ${#failed[@]} -eq 0 ]] || {
  echo "test: failed: ${failed[*]}" >&2
  exit 1
}
