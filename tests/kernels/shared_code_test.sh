#!/bin/sh
# Goal: no function that was compiled for one instruction set can be taken for another's.  The linker
# keeps one copy of a weak function (a template, an inline function of a shared header) for everyone.
#
#   shared_code_test.sh OBJECT ...
set -eu

test $# -gt 0
for object; do
  if nm --demangle --defined-only "$object" | grep -E '^[0-9a-f]* W '; then
    echo "$object: weak functions, compiled for one instruction set" >&2
    exit 1
  fi
done
