// Builds GGUF files byte by byte, right or wrong, from the specification: shares no code with the
// reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace hearth {

class GgufBuilder {
 public:
  std::uint32_t magic = 0x46554747;
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;        // of the data section
  std::uint64_t tensor_count_lie = 0;  // added to the true count
  std::uint64_t value_count_lie = 0;

  // A value: its key, its type number, its encoded bytes.
  GgufBuilder& raw(const std::string& key, std::uint32_t type, const std::string& bytes) {
    values_ += text(key) + number(type) + bytes;
    ++value_count_;
    return *this;
  }
  GgufBuilder& u32(const std::string& key, std::uint32_t value) {
    return raw(key, 4, number(value));
  }
  GgufBuilder& f32(const std::string& key, float value) { return raw(key, 6, number(value)); }
  GgufBuilder& string(const std::string& key, const std::string& value) {
    return raw(key, 8, text(value));
  }
  GgufBuilder& strings(const std::string& key, const std::vector<std::string>& list) {
    std::string bytes = number<std::uint32_t>(8) + number<std::uint64_t>(list.size());
    for (const std::string& item : list) bytes += text(item);
    return raw(key, 9, bytes);
  }

  // A tensor entry; data is appended at the next aligned offset unless an offset is given.
  GgufBuilder& tensor(const std::string& name, const std::vector<std::uint64_t>& dims,
                      std::uint32_t type, const std::string& data) {
    return tensor_at(name, dims, type, data_.size(), data);
  }
  GgufBuilder& tensor_at(const std::string& name, const std::vector<std::uint64_t>& dims,
                         std::uint32_t type, std::uint64_t offset, const std::string& data) {
    tensors_ += text(name) + number(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) tensors_ += number(dim);
    tensors_ += number(type) + number(offset);
    ++tensor_count_;
    data_ += data;
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }

  std::string bytes() const {
    std::string head = number(magic) + number(version) + number(tensor_count_ + tensor_count_lie) +
                       number(value_count_ + value_count_lie) + values_ + tensors_;
    head.resize((head.size() + alignment - 1) / alignment * alignment);
    return head + data_;
  }

  template <class T>
  static std::string number(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string text(const std::string& value) {
    return number<std::uint64_t>(value.size()) + value;
  }
  static std::string floats(const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) bytes += number(value);
    return bytes;
  }

 private:
  std::string values_;
  std::string tensors_;
  std::string data_;
  std::uint64_t value_count_ = 0;
  std::uint64_t tensor_count_ = 0;
};

inline std::string write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

}  // namespace hearth
