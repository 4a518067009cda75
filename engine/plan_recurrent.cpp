// Layers that keep a state from row to row: see plan_compiler.hpp.
#include <cassert>

#include "engine/plan_compiler.hpp"

namespace hearth {

std::int64_t DeltaNetOp::head_floats() const {
  return kernels::state_floats(key_dim, value_dim);
}

std::int64_t StateSpaceOp::head_floats() const {
  return kernels::state_floats(state_dim, head_dim);
}

// Where the next part of a sequence's state lies: on a cache line of its own.  Checkpoints of an
// earlier daemon are laid out alike: another layout needs another cache::kFormatVersion.
std::int64_t PlanCompiler::take_state(std::int64_t floats) {
  constexpr std::int64_t kLineFloats = 16;
  const std::int64_t begin = plan_.state_floats;
  plan_.state_floats += (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
  return begin;
}

void PlanCompiler::add_convolution(const Convolution& conv, bool silu, bool gated) {
  plan_.ops.emplace_back(
      ConvolveOp{conv, take_state((conv.width - 1) * conv.channels), silu, gated});
}

void PlanCompiler::add(const Branch& branch, const GatedDeltaNet& net) {
  add_linear(Buffer::hidden, table_.hidden, branch.norm,
             {.parts = {{net.qkv, Buffer::mixed},
                        {net.z, Buffer::z},
                        {net.alpha, Buffer::step},
                        {net.beta, Buffer::write}}});
  add_convolution(net.conv, /*silu=*/true, /*gated=*/false);
  DeltaNetOp op = {.a = net.a,
                   .dt_bias = net.dt_bias,
                   .q_norm = net.q_norm,
                   .k_norm = net.k_norm,
                   .norm = net.norm,
                   .key_heads = net.key_heads,
                   .value_heads = net.value_heads,
                   .key_dim = net.key_dim,
                   .value_dim = net.value_dim,
                   .tiled_heads = net.tiled_heads,
                   .state = 0};
  op.state = take_state(op.value_heads * op.head_floats());
  need(Buffer::attended, net.value_heads * net.value_dim);
  plan_.ops.emplace_back(op);
  add_out(Buffer::z, net.out, branch.post_norm);
}

void PlanCompiler::add(const Branch& branch, const Mamba1& mamba) {
  add_linear(Buffer::hidden, table_.hidden, branch.norm,
             {.parts = {{mamba.x, Buffer::mixed}, {mamba.z, Buffer::z}}});
  add_convolution(mamba.conv, /*silu=*/true, /*gated=*/false);
  add_linear(
      Buffer::mixed, mamba.inner, {},
      {.parts = {
           {mamba.low_step, Buffer::low_step}, {mamba.b, Buffer::write}, {mamba.c, Buffer::read}}});
  if (mamba.b_norm.weight != nullptr) {
    plan_.ops.emplace_back(NormPartsOp{Buffer::write, mamba.b_norm});
    plan_.ops.emplace_back(NormPartsOp{Buffer::read, mamba.c_norm});
  }
  add_linear(Buffer::low_step, mamba.step.weight.cols, mamba.step_norm,
             {.parts = {{mamba.step, Buffer::step}}});
  need(Buffer::attended, mamba.inner);
  plan_.ops.emplace_back(SelectiveScanOp{
      .a = mamba.a,
      .d = mamba.d,
      .channels = mamba.inner,
      .state_dim = mamba.state,
      .state = take_state(kernels::state_floats(mamba.state, mamba.inner)),
  });
  add_out(Buffer::z, mamba.out, branch.post_norm);
}

void PlanCompiler::add(const Branch& branch, const Mamba2& mamba) {
  const std::int64_t inner = mamba.heads * mamba.head_dim;
  add_linear(
      Buffer::hidden, table_.hidden, branch.norm,
      {.parts = {{mamba.z, Buffer::z}, {mamba.xbc, Buffer::mixed}, {mamba.step, Buffer::step}}});
  add_convolution(mamba.conv, /*silu=*/true, /*gated=*/false);
  StateSpaceOp op = {.a = mamba.a,
                     .d = mamba.d,
                     .dt_bias = mamba.dt_bias,
                     .heads = mamba.heads,
                     .head_dim = mamba.head_dim,
                     .groups = mamba.groups,
                     .state_dim = mamba.state,
                     .state = 0};
  op.state = take_state(op.heads * op.head_floats());
  need(Buffer::attended, inner);
  plan_.ops.emplace_back(op);
  plan_.ops.emplace_back(GateOp{Buffer::z, Buffer::attended, inner, kernels::Activation::silu});
  if (mamba.norm.weight != nullptr) {
    plan_.ops.emplace_back(
        NormPartsOp{Buffer::z, mamba.norm, inner / mamba.norm.size, /*own_weights=*/true});
  }
  add_out(Buffer::z, mamba.out, branch.post_norm);
}

void PlanCompiler::add(const Branch& branch, const ShortConvolution& conv) {
  add_linear(Buffer::hidden, table_.hidden, branch.norm,
             {.parts = {{conv.b, Buffer::write}, {conv.c, Buffer::read}, {conv.x, Buffer::mixed}}});
  add_convolution(conv.conv, /*silu=*/false, /*gated=*/true);
  add_out(Buffer::mixed, conv.out, branch.post_norm);
}

}  // namespace hearth
