// Compiles a layer table into a plan, a mixer at a time: plan.cpp has attention and feed-forwards,
// plan_recurrent.cpp the layers that keep a state.
#pragma once

#include <utility>

#include "engine/plan.hpp"

namespace hearth {

class PlanCompiler {
 public:
  PlanCompiler(const LayerTable& table, kernels::KvFormat kv_format, std::int64_t page_tokens);
  Plan compile();

 private:
  void need(Buffer buffer, std::int64_t width);
  void add_linear(Buffer from, std::int64_t cols, const RmsNorm& norm, LinearOp linear);
  void add_out(Buffer from, const Linear& out, const RmsNorm& post_norm);
  std::int64_t take_state(std::int64_t floats);
  int add_kv_layer(const FullAttention& attention);
  void need_experts(const MoeMlp& moe, bool floats);
  void add_shared_expert(const MoeMlp& moe);
  void add_convolution(const Convolution& conv, bool silu, bool gated);

  void add(const Branch& branch, const FullAttention& attention);
  void add(const Branch& branch, const GatedMlp& mlp);
  void add(const Branch& branch, const MoeMlp& moe);
  void add(const Branch& branch, const GatedDeltaNet& net);
  void add(const Branch& branch, const Mamba1& mamba);
  void add(const Branch& branch, const Mamba2& mamba);
  void add(const Branch& branch, const ShortConvolution& conv);

  const LayerTable& table_;
  Plan plan_;
};

}  // namespace hearth
