// Frames: bytes from a client to frames, and replies to bytes.  include/common/wire.h has the
// layout.
//
// THREAD: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/wire.h"

namespace hearth {

// A whole frame; views into the reader's memory, valid until the next call of the reader.
struct Frame {
  hearth_frame_header header;
  int fd = -1;  // what travelled with it, of header.fd_count 1: the connection's
  std::span<const std::byte> json = {};
  std::span<const std::byte> payload = {};
};

// Puts frames together from bytes as they arrive.  Memory grows with what has arrived, never with
// what a header promises.
class FrameReader {
 public:
  // Take in bytes, at most up to the end of one frame; returns how many were used.  Error:
  // PROTOCOL, the connection must close.
  Result<std::size_t> feed(std::span<const std::byte> bytes);

  // The frame that feed() completed, once; then the next one may be fed.
  bool complete() const { return complete_; }
  // Whether a descriptor that has arrived may belong to the frame that is arriving.
  bool takes_fd() const;
  Frame take();

 private:
  hearth_frame_header header_ = {};
  std::size_t header_bytes_ = 0;    // of header_ that have arrived
  std::vector<std::byte> body_;     // of the frame that is arriving
  std::vector<std::byte> handled_;  // of the frame that take() gave
  bool complete_ = false;
};

// The bytes of a frame from the daemon.
std::vector<std::byte> encode_frame(hearth_verb verb, std::uint8_t flags, std::uint32_t request,
                                    const std::string& json,
                                    std::span<const std::span<const std::byte>> payload,
                                    std::uint8_t fd_count = 0);

}  // namespace hearth
