#!/usr/bin/env bash
# Search for inputs that break the parsers, with libFuzzer under AddressSanitizer and UBSan.
#
#   scripts/fuzz.sh                    every target, 600 CPU-seconds each
#   scripts/fuzz.sh -t 60 json gguf    these targets, 60 CPU-seconds each
#
# chat_daemon sends broken conversations to a whole daemon of the debug preset.
#
# What is found lies in build/fuzz/found/.  New inputs of the corpora stay in build/fuzz/corpus/.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=600
if [[ ${1:-} == -t ]]; then
  seconds=${2:?-t needs a number of seconds}
  shift 2
fi
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(gguf tokenizer chat_parse jinja json config chat_daemon)

scripts/setup.sh clang-16 libclang-rt-16-dev # 14 does not compile ranges of libstdc++ 12
cmake --preset fuzz >/dev/null
builds=()
for target in "${targets[@]}"; do
  [[ $target == chat_daemon ]] || builds+=("fuzz_$target")
done
[[ ${#builds[@]} -eq 0 ]] || cmake --build build/fuzz --target "${builds[@]}"

failed=()
for target in "${targets[@]}"; do
  if [[ $target == chat_daemon ]]; then
    cmake --preset debug >/dev/null
    cmake --build --preset debug --target hearthd
    python3 tests/system/chat_fuzz.py build/debug/hearthd models/ember-q8_0.gguf "$seconds" "$RANDOM" ||
      failed+=("$target")
    continue
  fi
  mkdir -p "build/fuzz/corpus/$target" build/fuzz/found
  echo "fuzz: $target: $seconds s"
  # Two workers share the time where there are two cores.
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    "build/fuzz/tests/fuzz_$target" -fork=2 -ignore_crashes=0 -max_total_time=$((seconds / 2)) \
    -max_len=65536 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$target-" \
    "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"build/fuzz/$target.log" 2>&1 || {
    failed+=("$target")
    tail -n 40 "build/fuzz/$target.log" >&2
    continue
  }
  tail -n 1 "build/fuzz/$target.log"
done
[[ ${#failed[@]} -eq 0 ]] || {
  echo "fuzz: findings in: ${failed[*]}; see build/fuzz/found" >&2
  exit 1
}
