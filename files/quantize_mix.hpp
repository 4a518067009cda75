// Which tensor gets which format: a plain format for all, or one of the usual mixes, which spend
// more on what a model is most sensitive to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.hpp"

namespace hearth {

// What decides beside the name.
struct MixedTensor {
  std::string_view name;  // "blk.3.attn_v.weight"
  std::uint64_t cols;     // of a row
  std::uint32_t dim_count;
  std::uint64_t layers;        // of the model
  bool tied;                   // token_embd is the output matrix as well
  std::uint64_t heads_per_kv;  // query heads that share one KV head
};

class QuantizeMix {
 public:
  // "Q4_K_M", "q8_0", ...; nullopt for other names.
  static std::optional<QuantizeMix> find(std::string_view name);
  static std::vector<std::string> names();

  const char* name() const;
  std::uint32_t file_type() const;  // the value of general.file_type

  // The format of a tensor; nullopt: it stays as it is (vectors, routers, convolutions).
  std::optional<kernels::WeightFormat> format_of(const MixedTensor& tensor) const;

 private:
  explicit QuantizeMix(int index) : index_(index) {}
  int index_;  // in the table
};

}  // namespace hearth
