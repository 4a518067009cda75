#!/usr/bin/env bash
# Install what building and testing need and this machine lacks, from Debian's packages.
# Says nothing and touches nothing when all is there.
set -euo pipefail

packages=(
  build-essential cmake ninja-build pkg-config
  libuv1-dev libcjson-dev libboost-dev libhwloc-dev libsodium-dev libxxhash-dev libpcre2-dev
  libutf8proc-dev libcurl4-openssl-dev libedit-dev libtomlplusplus-dev libsystemd-dev libcli11-dev libspdlog-dev libfmt-dev
  libgtest-dev libbenchmark-dev libsimde-dev # tests: the last emulates AVX-512 on any CPU
  clang-format python3                       # tests of the tree itself
)

packages+=("$@") # what a script needs beyond that: clang for scripts/fuzz.sh

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || {
    echo "setup: these packages are missing, and there is neither root nor sudo to install them:" >&2
    echo "  ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
