// What a tensor takes when it is loaded.
//
// Pure functions: any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "files/gguf.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// The format of a GGUF tensor type; nullopt: one that is not supported.
std::optional<kernels::WeightFormat> weight_format(std::uint32_t gguf_type);

// Bytes: vectors are widened to float, matrices packed into panels.  At most 16 times what is in
// the file, for matrices of one row.
std::uint64_t tensor_memory(const GgufTensor& tensor);

}  // namespace hearth
