// Reading and writing all of something: what the kernel takes or gives in pieces, and goes on after
// a signal.
//
// Pure of state: any thread.  Errors: IO, "WHAT: No space left on device"; STORAGE where a file
// ends too soon.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/result.hpp"

namespace hearth {

// Write at a descriptor's position: a file, a pipe, a terminal.
inline Status write_whole(int fd, std::span<const std::byte> bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return from_errno(what);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

// Write, or read, at an offset of a file; its position stays.
inline Status write_whole_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
                             const std::string& what) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return from_errno(what);
    done += static_cast<std::size_t>(count);
  }
  return {};
}
inline Status read_whole_at(int fd, std::span<std::byte> bytes, std::uint64_t offset,
                            const std::string& what) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return from_errno(what);
    if (count == 0) return Error{Code::STORAGE, what + ": it was cut short"};
    done += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace hearth
