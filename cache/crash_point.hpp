// Places where a crash must be survivable, for tests to die at.
//
// Tests set the hook, count how often an operation passes, and then die at every one of them in
// turn (tests/cache/crash_test.cpp).  Without a hook a place costs a load and a branch.
//
// THREAD: set while nobody passes.
#pragma once

namespace hearth::cache {

inline void (*crash_hook)() = nullptr;

inline void crash_point() {
  if (crash_hook != nullptr) crash_hook();
}

}  // namespace hearth::cache
