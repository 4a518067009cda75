// See gguf.hpp.
#include "files/gguf.hpp"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "files/gguf_parser.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kPartsMax = 1024;

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

bool is_integer(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::u16:
    case GgufType::i16:
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::u64:
    case GgufType::i64: return true;
    default: return false;
  }
}

// An integer of any type, or nothing when it is negative.
std::optional<std::uint64_t> load_unsigned(GgufType type, const std::byte* bytes) {
  const auto from_signed = [](std::int64_t value) {
    return value < 0 ? std::nullopt : std::optional<std::uint64_t>(value);
  };
  switch (type) {
    case GgufType::u8: return load<std::uint8_t>(bytes);
    case GgufType::u16: return load<std::uint16_t>(bytes);
    case GgufType::u32: return load<std::uint32_t>(bytes);
    case GgufType::u64: return load<std::uint64_t>(bytes);
    case GgufType::i8: return from_signed(load<std::int8_t>(bytes));
    case GgufType::i16: return from_signed(load<std::int16_t>(bytes));
    case GgufType::i32: return from_signed(load<std::int32_t>(bytes));
    case GgufType::i64: return from_signed(load<std::int64_t>(bytes));
    default: return std::nullopt;
  }
}

// A number of any type, or nothing for other types.
std::optional<double> load_real(GgufType type, const std::byte* bytes) {
  switch (type) {
    case GgufType::f32: return load<float>(bytes);
    case GgufType::f64: return load<double>(bytes);
    case GgufType::u8: return load<std::uint8_t>(bytes);
    case GgufType::i8: return load<std::int8_t>(bytes);
    case GgufType::u16: return load<std::uint16_t>(bytes);
    case GgufType::i16: return load<std::int16_t>(bytes);
    case GgufType::u32: return load<std::uint32_t>(bytes);
    case GgufType::i32: return load<std::int32_t>(bytes);
    case GgufType::u64: return static_cast<double>(load<std::uint64_t>(bytes));
    case GgufType::i64: return static_cast<double>(load<std::int64_t>(bytes));
    default: return std::nullopt;
  }
}

Error wrong_type(const GgufFile& file, std::string_view key, const char* wanted) {
  return Error{Code::MODEL, fmt::format("{}: {} is not {}", file.path(), key, wanted)};
}

// "model-00001-of-00003.gguf" -> the name of part index, or nothing when the name has no such end.
std::optional<std::string> part_path(const std::string& first_path, std::uint64_t index,
                                     std::uint64_t count) {
  const std::string ending = fmt::format("-{:05}-of-{:05}.gguf", 1, count);
  if (!first_path.ends_with(ending)) return std::nullopt;
  return first_path.substr(0, first_path.size() - ending.size()) +
         fmt::format("-{:05}-of-{:05}.gguf", index + 1, count);
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::string& path) {
  GgufFile file;
  HEARTH_CHECK(file.open_parts(path));
  return file;
}

Status GgufFile::open_parts(const std::string& first_path) {
  HEARTH_TRY(MappedFile first, MappedFile::open(first_path));
  files_.reserve(1);
  files_.push_back(std::move(first));
  HEARTH_CHECK(GgufParser(files_.front(), *this).parse(0));

  HEARTH_TRY(const auto count, uint_value("split.count"));
  if (!count || *count <= 1) return {};
  HEARTH_TRY(const auto number, uint_value("split.no"));
  if (number && *number != 0) {
    return Error{Code::MODEL, fmt::format("{}: this is part {} of {} of a split model: name the "
                                          "first part",
                                          first_path, *number + 1, *count)};
  }
  if (*count > kPartsMax || !part_path(first_path, 0, *count)) {
    return Error{Code::MODEL, fmt::format("{}: split.count is {}, but the name does not end in "
                                          "-00001-of-{:05}.gguf",
                                          first_path, *count, *count)};
  }
  files_.reserve(*count);
  for (std::uint64_t i = 1; i < *count; ++i) {
    HEARTH_TRY(MappedFile part, MappedFile::open(*part_path(first_path, i, *count)));
    files_.push_back(std::move(part));
    HEARTH_CHECK(GgufParser(files_.back(), *this).parse(i));
  }
  HEARTH_TRY(const auto tensor_count, uint_value("split.tensors.count"));
  if (tensor_count && *tensor_count != tensors_.size()) {
    return Error{Code::MODEL, fmt::format("{}: split.tensors.count is {}, the parts hold {}",
                                          first_path, *tensor_count, tensors_.size())};
  }
  return {};
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Result<std::optional<std::uint64_t>> GgufFile::uint_value(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::uint64_t>();
  const auto number = load_unsigned(value->type, value->bytes.data());
  if (!is_integer(value->type) || !number) return wrong_type(*this, key, "a whole number >= 0");
  return number;
}

Result<std::optional<double>> GgufFile::real_value(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<double>();
  const auto number = load_real(value->type, value->bytes.data());
  if (!number || !(*number - *number == 0)) return wrong_type(*this, key, "a finite number");
  return number;
}

Result<std::optional<bool>> GgufFile::bool_value(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (value->type != GgufType::boolean) return wrong_type(*this, key, "true or false");
  return std::optional<bool>(load<std::uint8_t>(value->bytes.data()) != 0);
}

Result<std::optional<std::string_view>> GgufFile::string_value(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (value->type != GgufType::string) return wrong_type(*this, key, "a string");
  const auto* text = reinterpret_cast<const char*>(value->bytes.data()) + sizeof(std::uint64_t);
  return std::optional(std::string_view(text, value->bytes.size() - sizeof(std::uint64_t)));
}

Result<std::optional<std::vector<std::string_view>>> GgufFile::string_array(
    std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::vector<std::string_view>>();
  if (value->type != GgufType::array || value->element_type != GgufType::string) {
    return wrong_type(*this, key, "an array of strings");
  }
  // The parser has checked every length, but the file may have been written to since: check again.
  std::vector<std::string_view> strings;
  strings.reserve(value->count);
  std::span<const std::byte> left = value->bytes;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const bool has_size = left.size() >= 8;
    const std::uint64_t size = has_size ? load<std::uint64_t>(left.data()) : 0;
    if (!has_size || size > left.size() - 8) {
      return wrong_type(*this, key, "what it was: the file has changed");
    }
    strings.emplace_back(reinterpret_cast<const char*>(left.data()) + 8, size);
    left = left.subspan(8 + size);
  }
  return std::optional(std::move(strings));
}

Result<std::optional<std::vector<double>>> GgufFile::real_array(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::vector<double>>();
  const std::size_t stride = gguf_scalar_bytes(value->element_type);
  if (value->type != GgufType::array || stride == 0 || value->element_type == GgufType::boolean) {
    return wrong_type(*this, key, "an array of numbers");
  }
  std::vector<double> numbers;
  numbers.reserve(value->count);
  for (std::uint64_t i = 0; i < value->count; ++i) {
    numbers.push_back(*load_real(value->element_type, value->bytes.data() + i * stride));
  }
  return std::optional(std::move(numbers));
}

Result<std::optional<std::string_view>> GgufFile::byte_array(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  const bool is_bytes = value->element_type == GgufType::i8 || value->element_type == GgufType::u8;
  if (value->type != GgufType::array || !is_bytes) {
    return wrong_type(*this, key, "an array of bytes");
  }
  return std::optional(
      std::string_view(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size()));
}

Result<std::uint64_t> GgufFile::require_uint(std::string_view key) const {
  HEARTH_TRY(const auto value, uint_value(key));
  if (!value) return Error{Code::MODEL, fmt::format("{}: {} is missing", path(), key)};
  return *value;
}

Result<double> GgufFile::require_real(std::string_view key) const {
  HEARTH_TRY(const auto value, real_value(key));
  if (!value) return Error{Code::MODEL, fmt::format("{}: {} is missing", path(), key)};
  return *value;
}

std::vector<std::string_view> GgufFile::keys_with_prefix(std::string_view prefix) const {
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : values_) {
    if (key.starts_with(prefix)) keys.push_back(key);
  }
  return keys;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

std::uint64_t GgufFile::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const MappedFile& file : files_) bytes += file.bytes().size();
  return bytes;
}

std::string GgufFile::identity() const {
  std::string all;
  for (const MappedFile& part : files_) all += part.identity() + '\n';
  return all;
}

void GgufFile::release(std::span<const std::byte> bytes) const {
  for (const MappedFile& file : files_) {
    const std::span<const std::byte> all = file.bytes();
    if (bytes.data() < all.data() || bytes.data() >= all.data() + all.size()) continue;
    file.release(static_cast<std::size_t>(bytes.data() - all.data()), bytes.size());
  }
}

bool GgufFile::vanished() const {
  for (const MappedFile& file : files_) {
    if (file.vanished()) return true;
  }
  return false;
}

}  // namespace hearth
