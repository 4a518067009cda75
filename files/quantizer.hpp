// Turns a model file into one of other formats: what `hearth quantize` does.
//
// Everything but the matrices is copied as it is.  Memory needed: one tensor as floats, and one as
// it is stored.
//
// THREAD: the caller's, and as many of its own as it is told.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "common/result.hpp"
#include "files/gguf.hpp"
#include "files/quantize_mix.hpp"

namespace hearth {

struct QuantizeReport {
  std::uint64_t tensors = 0;            // in the file
  std::uint64_t tensors_quantized = 0;  // of these, stored in another format than before
  std::uint64_t bytes_before = 0;       // of tensor data
  std::uint64_t bytes_after = 0;
};

struct QuantizeCallbacks {
  // The next bytes of the new file.
  std::function<Status(std::span<const std::byte>)> write;
  // A tensor is about to be converted: its name, its new type's name, tensors done of all.  May be
  // empty.
  std::function<void(std::string_view name, const std::string& type, std::uint64_t done,
                     std::uint64_t total)>
      on_tensor;
};

// Any thread may call it; callbacks come in the calling one.
// threads >= 1 share the rows of a tensor.
// Errors: MODEL naming the tensor that cannot be read or holds numbers that are not finite; what
// write returns.
Result<QuantizeReport> quantize_file(const GgufFile& file, const QuantizeMix& mix, int threads,
                                     const QuantizeCallbacks& callbacks);

}  // namespace hearth
