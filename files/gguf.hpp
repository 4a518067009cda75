// GGUF model files, versions 2 and 3, whole or split: metadata and the table of tensors.
//
// Source: the GGUF specification (ggml/docs/gguf.md).  The file is hostile: every length is checked
// against the bytes that are there before it is used, and an error names the file, the key or
// tensor and the offset.  Nothing is copied: strings and tensors are views into the mapping, valid
// while the GgufFile lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "files/mapped_file.hpp"

namespace hearth {

enum class GgufType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// One metadata value, still encoded.
struct GgufValue {
  GgufType type;                     // of the value
  GgufType element_type;             // of an array's elements
  std::uint64_t count;               // elements of an array; 1 otherwise
  std::span<const std::byte> bytes;  // the encoded value or elements, checked to be complete
};

struct GgufTensor {
  std::string_view name;
  std::uint32_t type;       // the format's number: 0 F32, 1 F16, 2 Q4_0, 8 Q8_0, 30 BF16, ...
  std::uint32_t dim_count;  // 1 .. 4
  std::uint64_t dims[4];    // fastest first; unused ones are 1
  std::span<const std::byte> data;  // empty when the type's size is not known here
};

// "Q8_0" for 8, "type 77" for a number without a name.
std::string tensor_type_name(std::uint32_t type);

class GgufFile {
 public:
  // Open a file, or all files of a split model when path is the first of them.
  // Errors: IO, or MODEL naming what is wrong and where.
  static Result<GgufFile> open(const std::string& path);

  // The value of a key, or null.
  const GgufValue* find(std::string_view key) const;

  // Typed access.  A number of any integer type, an integer or float as double, ...  A missing key
  // is std::nullopt; a value of another type or out of range is a MODEL error naming the key.
  Result<std::optional<std::uint64_t>> uint_value(std::string_view key) const;
  Result<std::optional<double>> real_value(std::string_view key) const;
  Result<std::optional<bool>> bool_value(std::string_view key) const;
  Result<std::optional<std::string_view>> string_value(std::string_view key) const;
  Result<std::optional<std::vector<std::string_view>>> string_array(std::string_view key) const;
  Result<std::optional<std::vector<double>>> real_array(std::string_view key) const;  // any numbers
  Result<std::optional<std::string_view>> byte_array(std::string_view key) const;     // i8 or u8

  // The same for keys that must be there.
  Result<std::uint64_t> require_uint(std::string_view key) const;
  Result<double> require_real(std::string_view key) const;

  // All keys that begin with prefix, in no order.
  std::vector<std::string_view> keys_with_prefix(std::string_view prefix) const;

  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;

  std::uint64_t file_bytes() const;  // all parts
  const std::string& path() const { return files_.front().path(); }
  const std::vector<MappedFile>& files() const { return files_; }
  // What tells the model's files from all others: MappedFile::identity() of each, a line each.
  std::string identity() const;

  // These bytes of the file, which lie within one part, are not needed any more: see MappedFile.
  void release(std::span<const std::byte> bytes) const;
  // A part of the file vanished while it was read (see MappedFile).
  bool vanished() const;

 private:
  GgufFile() = default;
  friend class GgufParser;
  Status open_parts(const std::string& first_path);

  std::vector<MappedFile> files_;
  std::map<std::string_view, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, std::size_t> tensor_index_;  // name -> index in tensors_
};

}  // namespace hearth
