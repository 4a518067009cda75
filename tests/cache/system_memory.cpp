// See system_memory.hpp.
#include "tests/cache/system_memory.hpp"

#include <fcntl.h>

#include <cerrno>

namespace {
bool full = false;
}  // namespace

extern "C" int posix_fallocate(int fd, off_t offset, off_t bytes) {
  if (full) return ENOSPC;
  return fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

namespace hearth::cache {

NoSystemMemory::NoSystemMemory() {
  full = true;
}

NoSystemMemory::~NoSystemMemory() {
  full = false;
}

}  // namespace hearth::cache
