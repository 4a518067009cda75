// See frame.hpp.
#include "daemon/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace hearth {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are read in place");

constexpr std::size_t kBodyKeptBytes = 64 << 10;  // of a large body's memory, once it was handled

Status check_header(const hearth_frame_header& header) {
  const auto broken = [](std::string why) { return Error{Code::PROTOCOL, std::move(why)}; };
  if (header.size > HEARTH_FRAME_BYTES_MAX) {
    return broken(fmt::format("a frame of {} bytes, at most {} are possible", header.size,
                              HEARTH_FRAME_BYTES_MAX));
  }
  if (header.json_size > HEARTH_JSON_BYTES_MAX || header.json_size > header.size) {
    return broken(fmt::format("{} bytes of JSON in a frame of {} bytes, at most {} are possible",
                              header.json_size, header.size, HEARTH_JSON_BYTES_MAX));
  }
  if (header.size - header.json_size > HEARTH_PAYLOAD_BYTES_MAX) {
    return broken(fmt::format("a payload of {} bytes, at most {} are possible",
                              header.size - header.json_size, HEARTH_PAYLOAD_BYTES_MAX));
  }
  if (header.flags != 0) return broken(fmt::format("flags {:#x} from a client", header.flags));
  if (header.fd_count > 1) return broken(fmt::format("{} descriptors", header.fd_count));
  return {};
}

}  // namespace

Result<std::size_t> FrameReader::feed(std::span<const std::byte> bytes) {
  assert(!complete_);
  std::size_t used = 0;
  if (header_bytes_ < sizeof(header_)) {
    used = std::min(bytes.size(), sizeof(header_) - header_bytes_);
    std::memcpy(reinterpret_cast<std::byte*>(&header_) + header_bytes_, bytes.data(), used);
    header_bytes_ += used;
    if (header_bytes_ < sizeof(header_)) return used;
    HEARTH_CHECK(check_header(header_));
  }
  const std::size_t wanted = std::min(bytes.size() - used, header_.size - body_.size());
  body_.insert(body_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(used),
               bytes.begin() + static_cast<std::ptrdiff_t>(used + wanted));
  complete_ = body_.size() == header_.size;
  return used + wanted;
}

Frame FrameReader::take() {
  assert(complete_);
  complete_ = false;
  header_bytes_ = 0;
  handled_.swap(body_);
  body_.clear();
  if (body_.capacity() > kBodyKeptBytes) body_.shrink_to_fit();
  const std::span<const std::byte> body = handled_;
  return {.header = header_,
          .json = body.first(header_.json_size),
          .payload = body.subspan(header_.json_size)};
}

bool FrameReader::takes_fd() const {
  return header_bytes_ > 0 && (header_bytes_ < sizeof(header_) || header_.fd_count > 0);
}

std::vector<std::byte> encode_frame(hearth_verb verb, std::uint8_t flags, std::uint32_t request,
                                    const std::string& json,
                                    std::span<const std::span<const std::byte>> payload,
                                    std::uint8_t fd_count) {
  std::size_t size = json.size();
  for (const auto& part : payload) size += part.size();
  assert(json.size() <= HEARTH_JSON_BYTES_MAX && size <= HEARTH_FRAME_BYTES_MAX);
  const hearth_frame_header header = {
      .size = static_cast<std::uint32_t>(size),
      .verb = static_cast<std::uint16_t>(verb),
      .flags = flags,
      .fd_count = fd_count,
      .request = request,
      .json_size = static_cast<std::uint32_t>(json.size()),
  };
  std::vector<std::byte> bytes;
  bytes.reserve(sizeof(header) + size);
  const auto append = [&](std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  };
  append(std::as_bytes(std::span(&header, 1)));
  append(std::as_bytes(std::span(json)));
  for (const auto& part : payload) append(part);
  return bytes;
}

}  // namespace hearth
