// See work.hpp.
#include "engine/work.hpp"

namespace hearth {
namespace {

void add(Work& work, const Linear& linear) {
  work.matrix_bytes += static_cast<std::uint64_t>(linear.weight.rows * linear.weight.row_bytes());
  work.matrix_weights += static_cast<std::uint64_t>(linear.weight.rows * linear.weight.cols);
}

void add(Work& work, const FullAttention& attention) {
  for (const Linear* linear : {&attention.q, &attention.k, &attention.v, &attention.out}) {
    add(work, *linear);
  }
  // A product with the key and one with the value for every element of every head.
  work.attention_ops += static_cast<std::uint64_t>(4 * attention.heads * attention.head_dim);
}

void add(Work& work, const GatedMlp& mlp) {
  for (const Linear* linear : {&mlp.gate, &mlp.up, &mlp.down}) add(work, *linear);
}

}  // namespace

Work work_of(const LayerTable& table, const KvGeometry& kv) {
  Work work;
  for (const Layer& layer : table.layers) {
    for (const Branch& branch : layer.branches) {
      for (const Mixer& mixer : branch.mixers) {
        std::visit([&](const auto& m) { add(work, m); }, mixer);
      }
    }
  }
  work.head_bytes =
      static_cast<std::uint64_t>(table.head.weight.rows * table.head.weight.row_bytes());
  work.head_weights = static_cast<std::uint64_t>(table.head.weight.rows * table.head.weight.cols);
  work.kv_bytes = static_cast<std::uint64_t>(kv.page_bytes / kv.page_tokens);
  return work;
}

}  // namespace hearth
