// See tensor_memory.hpp.
#include "files/tensor_memory.hpp"

#include <algorithm>

namespace hearth {

std::optional<kernels::WeightFormat> weight_format(std::uint32_t gguf_type) {
  for (const kernels::WeightFormatInfo& info : kernels::kWeightFormats) {
    if (info.gguf_number == gguf_type) return info.format;
  }
  return std::nullopt;
}

std::uint64_t tensor_memory(const GgufTensor& tensor) {
  std::uint64_t bytes = tensor.data.size();
  if (tensor.dim_count == 1) {
    bytes = std::max<std::uint64_t>(bytes, tensor.dims[0] * sizeof(float));
  }
  if (const auto format = weight_format(tensor.type)) {
    const auto cols = static_cast<std::int64_t>(tensor.dims[0]);
    const auto rows = static_cast<std::int64_t>(tensor.dims[1]);
    const std::uint64_t matrices = tensor.dims[2] * tensor.dims[3];  // each in panels of its own
    bytes = std::max(
        bytes, matrices * static_cast<std::uint64_t>(kernels::panel_bytes(*format, rows, cols)));
  }
  return bytes;
}

}  // namespace hearth
