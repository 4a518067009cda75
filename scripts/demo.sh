#!/usr/bin/env bash
# Build Hearth, start the daemon, and let processes ask the models that come with it: ember, and
# tinder, whose layers mostly keep a state instead of a cache.  The second client finds what the
# first has computed; so does the one that comes after kill -9.  Every promise is checked: no
# output, no warm prompt or an unclean end fails the demo.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "demo: $*" >&2
  [[ ! -s ${work:-}/hearthd.log ]] || sed 's/^/  hearthd: /' "$work/hearthd.log" >&2
  exit 1
}

scripts/setup.sh
cmake --preset release >/dev/null
echo "demo: building; the first time this takes some minutes"
cmake --build build/release --target hearthd hearth | tail -n 1

work=$(mktemp -d)
daemon=
clean_up() {
  [[ -z $daemon ]] || kill -9 "$daemon" 2>/dev/null || true
  build/release/hearthd --purge --state-dir "$work/state" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT

export HEARTH_SOCKET=$work/hearthd.sock
start_daemon() {
  build/release/hearthd --socket "$HEARTH_SOCKET" --state-dir "$work/state" --device cpu \
    --model ember=models/ember-q8_0.gguf --model tinder=models/tinder-q8_0.gguf \
    2>>"$work/hearthd.log" &
  daemon=$!
  for _ in $(seq 200); do
    build/release/hearth ps >/dev/null 2>&1 && return
    kill -0 "$daemon" 2>/dev/null || fail "hearthd ended at once"
    sleep 0.05
  done
  fail "hearthd does not answer"
}
echo "demo: starting hearthd"
start_daemon
build/release/hearth models || fail "hearthd does not answer"

prompt="Once upon a time there was a little girl named Anna who lived in a small house near the \
forest. One morning she took her red basket and walked to the old bridge, because she wanted to"

# ask NAME MODEL: one client process; its text on the terminal, its numbers kept and shown.
ask() {
  echo
  echo "demo: client $1 asks $2 to go on from: $prompt ..."
  build/release/hearth run "$2" "$prompt" --raw -n 96 --temp 0 \
    >"$work/text.$1" 2>"$work/numbers.$1" || fail "client $1: $(cat "$work/numbers.$1")"
  cat "$work/text.$1"
  echo
  sed 's/^/  /' "$work/numbers.$1"
  [[ -s $work/text.$1 ]] || fail "client $1 got no text"
  grep -q 'tokens/s' "$work/numbers.$1" || fail "client $1 tells no speed"
}
# computes NAME: its prompt was new.  finds NAME AS: it was warm, and the text is that of AS.
computes() {
  grep -Eq 'cached 0 of [1-9][0-9]* prompt tokens' "$work/numbers.$1" ||
    fail "client $1's prompt should have been new"
}
finds() {
  grep -Eq 'cached [1-9][0-9]* of [1-9][0-9]* prompt tokens' "$work/numbers.$1" ||
    fail "client $1's prompt was computed again"
  cmp -s "$work/text.$1" "$work/text.$2" || fail "clients $1 and $2 got different texts"
}
ask 1 ember
computes 1
ask 2 ember
finds 2 1
ask 3 tinder
computes 3

echo
echo "demo: kill -9 of hearthd, and a new one"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null || true
start_daemon
ask 4 tinder
finds 4 3

echo
kill -TERM "$daemon"
wait "$daemon" || fail "hearthd ended with status $?"
daemon=
[[ ! -e $HEARTH_SOCKET ]] || fail "hearthd left its socket behind"
echo "demo: done: four processes, two models, each prompt computed once, also over kill -9"
