// The parser behind GgufFile: one pass over the head of one file, bounds checked at every step.
// Internal to files/gguf*.cpp.
//
// THREAD: whoever opens the file.
#pragma once

#include <cstring>

#include "files/gguf.hpp"

namespace hearth {

// Encoded bytes of a scalar of this type; 0 for strings and arrays.
std::size_t gguf_scalar_bytes(GgufType type);

class GgufParser {
 public:
  GgufParser(const MappedFile& mapping, GgufFile& into)
      : mapping_(mapping), data_(mapping.bytes()), into_(into) {}

  // Read header, metadata and tensor table of this part into the GgufFile.  Metadata of later parts
  // (part_index > 0) is read for split.no only: the first part speaks for all.
  Status parse(std::size_t part_index);

 private:
  Status parse_header();
  Status parse_values(std::size_t part_index);
  Status parse_tensors();
  Status place_tensors(std::size_t first_tensor, const std::vector<std::uint64_t>& offsets);
  Status check_overlaps(std::size_t first_tensor) const;
  Result<GgufValue> parse_value(GgufType type);
  Status skip_elements(GgufType type, std::uint64_t count, int depth);
  Result<GgufType> parse_type();
  Result<std::string_view> parse_string(const char* what, std::uint64_t bytes_max);
  Error fail(const std::string& what) const;

  template <class T>
  Result<T> take(const char* what) {
    if (data_.size() - offset_ < sizeof(T)) return fail(std::string(what) + " is cut off");
    T value;
    std::memcpy(&value, data_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  const MappedFile& mapping_;
  std::span<const std::byte> data_;
  GgufFile& into_;
  std::size_t offset_ = 0;  // bytes read; never beyond data_.size()
  std::uint64_t tensor_count_ = 0;
  std::uint64_t value_count_ = 0;
  std::uint64_t alignment_ = 32;
};

}  // namespace hearth
