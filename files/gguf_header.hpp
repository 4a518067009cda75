// The head of a GGUF file that is being written, version 3: metadata, the table of tensors, and
// where each tensor's data goes behind it.
//
// Whoever writes the file writes bytes(), then the data of every tensor in the order they were
// added, each followed by padding(size) zeros.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "files/gguf.hpp"

namespace hearth {

class GgufHeader {
 public:
  // A value as another file has it.
  void copy_value(std::string_view key, const GgufValue& value);
  void add_u32(std::string_view key, std::uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_string(std::string_view key, std::string_view value);

  // The next tensor: dims fastest first, bytes of its data.
  void add_tensor(std::string_view name, std::span<const std::uint64_t> dims, std::uint32_t type,
                  std::uint64_t bytes);

  // Everything in front of the first tensor's data.
  std::string bytes() const;
  // Zeros behind data of this size.
  static std::uint64_t padding(std::uint64_t size) {
    return (kAlignment - size % kAlignment) % kAlignment;
  }
  std::uint64_t data_bytes() const { return data_bytes_; }  // of all tensors, with their padding

 private:
  static constexpr std::uint64_t kAlignment = 32;  // what readers take for granted
  void add_key(std::string_view key, GgufType type);

  std::string values_;
  std::string tensors_;
  std::uint64_t value_count_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace hearth
