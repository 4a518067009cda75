#!/bin/bash
# The units are what systemd understands, and say what the daemon's defaults say.
#   units_test.sh keys SOURCE_DIR BUILD_DIR      they match the daemon, and install as they are
#   units_test.sh systemd SOURCE_DIR BUILD_DIR   systemd-analyze finds no fault; 77 where it is missing
set -euo pipefail
what=$1 source_dir=$2 build_dir=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# value UNIT KEY: what a unit of the tree says.
value() { sed -n "s/^$2=//p" "$source_dir/systemd/$1"; }
expect() { [[ $(value "$1" "$2") == "$3" ]] || fail "$1: $2=$(value "$1" "$2") should be $3"; }

check_keys() {
  # What the daemon does without any setting, where systemd starts it as root.
  default() {
    env -i STATE_DIRECTORY=/var/lib/hearth "$build_dir/hearthd" --check-config --config "$work/none.toml" |
      sed -n "s/^$1 = \(.*\)  # default$/\1/p"
  }
  : >"$work/none.toml"
  expect hearthd.socket ListenStream "$(default socket)"
  expect hearthd.socket SocketMode "$(default socket-mode)"
  [[ $(default state-dir) == /var/lib/$(value hearthd.service StateDirectory) ]] || fail "another state directory"
  [[ -n $(default socket) && -n $(default socket-mode) ]] || fail "--check-config shows no defaults"
  expect hearthd.service Type notify
  expect hearthd.service Restart on-failure
  expect hearthd.service RestartPreventExitStatus 2 # of a wrong setting
  [[ $(value hearthd.service FileDescriptorStoreMax) -gt 0 ]] || fail "nothing can be stored"
  grep -q '^RuntimeDirectory=' "$source_dir/systemd/hearthd.service" && fail "it takes the socket away"

  # They install where systemd looks, as they are.
  cmake --install "$build_dir/systemd" --prefix "$work/prefix" >/dev/null
  for unit in hearthd.service hearthd.socket; do
    cmp "$source_dir/systemd/$unit" "$work/prefix/lib/systemd/system/$unit" || fail "$unit was changed"
  done
}

check_with_systemd() {
  command -v systemd-analyze >/dev/null || { echo "no systemd-analyze: not verified"; exit 77; }
  # ExecStart= names what is not installed here.
  mkdir "$work/verify"
  sed "s|^ExecStart=hearthd|ExecStart=$(realpath "$build_dir")/hearthd|" "$source_dir/systemd/hearthd.service" \
    >"$work/verify/hearthd.service"
  cp "$source_dir/systemd/hearthd.socket" "$work/verify"
  # Keys that an older systemd does not know are no fault; man pages are not installed.
  verify() {
    { systemd-analyze verify --man=no "$work/verify/hearthd.service" "$work/verify/hearthd.socket" 2>&1 ||
      echo "systemd-analyze ends with $?"; } |
      grep -v "Unknown key.*'FileDescriptorStorePreserve'" || true
  }
  complaints=$(verify)
  [[ -z $complaints ]] || fail "$complaints"
  echo "Colour=green" >>"$work/verify/hearthd.service" # it does look
  [[ $(verify) == *Colour* ]] || fail "systemd-analyze finds no fault in anything"
}

case $what in
  keys) check_keys ;;
  systemd) check_with_systemd ;;
  *) fail "$what: keys or systemd" ;;
esac
echo "units: $what: no fault"
