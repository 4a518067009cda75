// See work.hpp.
#include "engine/work.hpp"

#include <cmath>

namespace hearth {
namespace {

void add(Work& work, const Linear& linear) {
  work.matrix_bytes += static_cast<std::uint64_t>(linear.weight.rows * linear.weight.row_bytes());
  work.matrix_weights += static_cast<std::uint64_t>(linear.weight.rows * linear.weight.cols);
}

void add(Work& work, const FullAttention& attention) {
  for (const Linear* linear :
       {&attention.q, &attention.k, &attention.v, &attention.gate, &attention.out}) {
    if (linear->weight.rows != 0) add(work, *linear);
  }
  // A product with the key and one with the value for every element of every head.
  work.attention_ops += static_cast<std::uint64_t>(4 * attention.heads * attention.head_dim);
}

void add(Work& work, const GatedDeltaNet& net) {
  for (const Linear* linear : {&net.qkv, &net.z, &net.alpha, &net.beta, &net.out}) {
    add(work, *linear);
  }
}

void add(Work& work, const Mamba1& mamba) {
  for (const Linear* linear :
       {&mamba.x, &mamba.z, &mamba.low_step, &mamba.b, &mamba.c, &mamba.step, &mamba.out}) {
    add(work, *linear);
  }
}

void add(Work& work, const Mamba2& mamba) {
  for (const Linear* linear : {&mamba.z, &mamba.xbc, &mamba.step, &mamba.out}) add(work, *linear);
}

void add(Work& work, const ShortConvolution& conv) {
  for (const Linear* linear : {&conv.b, &conv.c, &conv.x, &conv.out}) add(work, *linear);
}

void add(Work& work, const GatedMlp& mlp) {
  for (const Linear* linear : {&mlp.gate, &mlp.up, &mlp.down}) add(work, *linear);
}

void add(Work& work, const MoeMlp& moe) {
  add(work, moe.router);
  if (moe.shared) add(work, *moe.shared);
  ExpertsWork& experts = work.experts.emplace_back();
  experts.count = moe.rule.experts;
  experts.used = moe.rule.used;
  for (const ExpertMatrices* matrices : {&moe.gate, &moe.up, &moe.down}) {
    const Matrix& one = matrices->first;
    experts.bytes += static_cast<std::uint64_t>(matrices->count * one.rows * one.row_bytes());
    work.matrix_weights += static_cast<std::uint64_t>(experts.used * one.rows * one.cols);
  }
}

}  // namespace

// An expert is left out by one row with a chance of 1 - used / count.
double ExpertsWork::expected_bytes(std::uint64_t rows) const {
  const double left_out = 1 - static_cast<double>(used) / static_cast<double>(count);
  return static_cast<double>(bytes) * (1 - std::pow(left_out, static_cast<double>(rows)));
}

std::uint64_t Work::decode_bytes(std::uint64_t sequences, std::uint64_t positions) const {
  double of_experts = 0;
  for (const ExpertsWork& layer : experts) of_experts += layer.expected_bytes(sequences);
  return matrix_bytes + static_cast<std::uint64_t>(of_experts) + head_bytes +
         sequences * (positions * kv_bytes + 2 * state_bytes);
}

Work work_of(const LayerTable& table, const Plan& plan) {
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
  work.kv_bytes = static_cast<std::uint64_t>(plan.kv.page_bytes / plan.kv.page_tokens);
  work.state_bytes = static_cast<std::uint64_t>(plan.state_floats) * sizeof(float);
  return work;
}

}  // namespace hearth
