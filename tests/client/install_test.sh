#!/bin/bash
# What installs as the component "client" is all that a program needs, by pkg-config and by CMake.
#   install_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

prefix=$work/prefix
cmake --install "$build_dir" --component client --prefix "$prefix" >"$work/log"
library=$(find "$prefix" -name libhearth.so)
export PKG_CONFIG_PATH=$(dirname "$library")/pkgconfig

# By pkg-config; the program finds the library at run time as any program does.
read -ra flags <<<"$(pkg-config --cflags --libs hearth)"
cc -std=c99 -pedantic -Wall -Wextra -Werror "$source_dir/examples/generate.c" "${flags[@]}" -o "$work/by_pkg_config"
LD_LIBRARY_PATH=$(dirname "$library") "$work/by_pkg_config" --help | grep -q '^usage' || fail "the C example does not run"
c++ -std=c++17 -pedantic -Wall -Wextra -Werror "$source_dir/examples/generate.cpp" "${flags[@]}" -o "$work/by_pkg_config"
[[ $(pkg-config --modversion hearth) == "$(awk '/HEARTH_VERSION_STRING/ {gsub(/"/, "", $3); print $3; exit}' \
    "$prefix/include/hearth/hearth.h")" ]] || fail "hearth.pc and hearth.h name different versions"

# The example of the manual page.
awk '/^#include <hearth/ {block = ""} {block = block $0 "\n"} /^\.EE/ {last = block; block = ""; if (last ~ /int main/) {printf "%s", last; exit}}' \
  "$source_dir/docs/man/libhearth.3" | sed -e '/^\.EE/d' -e 's/\\-/-/g' -e 's/\\e/\\/g' >"$work/manual.c"
cc -std=c99 -pedantic -Wall -Wextra -Werror "$work/manual.c" "${flags[@]}" -o "$work/manual" || fail "the manual's example"

# By CMake.
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(client LANGUAGES C)
find_package(Hearth 0.1 REQUIRED)
add_executable(client $source_dir/examples/generate.c)
target_link_libraries(client PRIVATE Hearth::hearth)
EOF
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" >>"$work/log"
cmake --build "$work/project/build" >>"$work/log"
"$work/project/build/client" --help | grep -q '^usage' || fail "the program built by CMake does not run"

# The installed hearth finds the installed library, and the manual pages are there.
"$prefix/bin/hearth" --version | grep -q '^hearth ' || fail "hearth does not run"
for page in man1/hearth.1 man3/libhearth.3; do
  [[ -s $(find "$prefix" -path "*/$page") ]] || fail "$page is missing or empty"
done

# Exported is what the header declares, no more and no less.
nm --dynamic --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort >"$work/exported"
cc -E -P -x c "$prefix/include/hearth/hearth.h" -D'__attribute__(x)=EXPORTED' |
  tr '\n' ' ' | tr ';' '\n' | grep EXPORTED | grep -oE 'hearth_[a-z_]+ *\(' | tr -d ' (' | sort -u >"$work/declared"
diff "$work/declared" "$work/exported" || fail "the header and the library name different functions"

# No more than libc and libcjson.
objdump -p "$library" | awk '/NEEDED/ {print $2}' | grep -vE '^(lib(c|m|cjson)|ld-linux.*)\.so' && fail "libhearth needs more"
echo "installed: $(wc -l <"$work/exported") functions, pkg-config, CMake package, manual pages"
