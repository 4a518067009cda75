// Writes what stands before the tensor data of a GGUF file.
#include "files/gguf_header.hpp"

namespace hearth {
namespace {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string& out, std::string_view text) {
  put<std::uint64_t>(out, text.size());
  out.append(text);
}

}  // namespace

void GgufHeader::add_key(std::string_view key, GgufType type) {
  put_text(values_, key);
  put(values_, static_cast<std::uint32_t>(type));
  ++value_count_;
}

void GgufHeader::copy_value(std::string_view key, const GgufValue& value) {
  add_key(key, value.type);
  if (value.type == GgufType::array) {
    put(values_, static_cast<std::uint32_t>(value.element_type));
    put(values_, value.count);
  }
  values_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

void GgufHeader::add_u32(std::string_view key, std::uint32_t value) {
  add_key(key, GgufType::u32);
  put(values_, value);
}

void GgufHeader::add_f32(std::string_view key, float value) {
  add_key(key, GgufType::f32);
  put(values_, value);
}

void GgufHeader::add_string(std::string_view key, std::string_view value) {
  add_key(key, GgufType::string);
  put_text(values_, value);
}

void GgufHeader::add_tensor(std::string_view name, std::span<const std::uint64_t> dims,
                            std::uint32_t type, std::uint64_t bytes) {
  put_text(tensors_, name);
  put(tensors_, static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t dim : dims) put(tensors_, dim);
  put(tensors_, type);
  put(tensors_, data_bytes_);
  data_bytes_ += bytes + padding(bytes);
  ++tensor_count_;
}

std::string GgufHeader::bytes() const {
  std::string head = "GGUF";
  put<std::uint32_t>(head, 3);
  put(head, tensor_count_);
  put(head, value_count_);
  head += values_;
  head += tensors_;
  head.append(padding(head.size()), '\0');
  return head;
}

}  // namespace hearth
