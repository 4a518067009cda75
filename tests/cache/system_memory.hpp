// A system whose memory for segments is full when a test says so: a posix_fallocate() in the place
// of the C library's.
#pragma once

namespace hearth::cache {

// While one lives there is no more.
class NoSystemMemory {
 public:
  NoSystemMemory();
  ~NoSystemMemory();
  NoSystemMemory(const NoSystemMemory&) = delete;
  NoSystemMemory& operator=(const NoSystemMemory&) = delete;
};

}  // namespace hearth::cache
