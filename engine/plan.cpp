// See plan.hpp, plan_compiler.hpp.
#include "engine/plan.hpp"

#include <algorithm>
#include <cassert>

#include "engine/plan_compiler.hpp"

namespace hearth {
namespace {

bool takes_blocks(const Matrix& matrix) {
  return kernels::block_shape(matrix.format).weights > 1;
}

// What a matrix takes of the preparation, or of the gathering, before it.
template <class InputOp>
void take(InputOp& input, const Matrix& matrix) {
  (takes_blocks(matrix) ? input.blocks : input.floats) = true;
}

}  // namespace

PlanCompiler::PlanCompiler(const LayerTable& table, kernels::KvFormat kv_format,
                           std::int64_t page_tokens)
    : table_(table) {
  plan_.kv.format = kv_format;
  plan_.kv.page_tokens = page_tokens;
}

Plan PlanCompiler::compile() {
  plan_.ops.emplace_back(EmbedOp{table_.embedding, table_.embedding_scale});
  need(Buffer::hidden, table_.hidden);
  plan_.input_width = table_.hidden;
  for (const Layer& layer : table_.layers) {
    for (const Branch& branch : layer.branches) {
      // The first mixer adds to the hidden state: a second one would need the input as it was.
      assert(branch.mixers.size() == 1);
      std::visit([&](const auto& mixer) { add(branch, mixer); }, branch.mixers.front());
    }
  }
  plan_.ops.emplace_back(HeadNormOp{table_.final_norm, takes_blocks(table_.head.weight)});
  plan_.ops.emplace_back(HeadOp{table_.head});
  // Without attention a page holds its tokens alone; a payload there must be.
  constexpr std::int64_t kPageBytesMin = 64;
  plan_.kv.page_bytes = std::max(plan_.kv.page_bytes, kPageBytesMin);
  return std::move(plan_);
}

void PlanCompiler::need(Buffer buffer, std::int64_t width) {
  std::int64_t& held = plan_.widths[static_cast<std::size_t>(buffer)];
  held = std::max(held, width);
}

// Matrices that take the same input, normed or as it is.
void PlanCompiler::add_linear(Buffer from, std::int64_t cols, const RmsNorm& norm,
                              LinearOp linear) {
  PrepareOp prepare = {from, cols, norm};
  for (const LinearPart& part : linear.parts) {
    assert(part.linear.weight.cols == cols);
    need(part.out, part.linear.weight.rows);
    take(prepare, part.linear.weight);
  }
  plan_.input_width = std::max(plan_.input_width, cols);
  linear.from = from;
  linear.normed = norm.weight != nullptr;
  plan_.ops.emplace_back(prepare);
  plan_.ops.emplace_back(std::move(linear));
}

// The last matrix of a branch: to the hidden state, or to what is normed before it is added.
void PlanCompiler::add_out(Buffer from, const Linear& out, const RmsNorm& post_norm) {
  const bool normed = post_norm.weight != nullptr;
  add_linear(from, out.weight.cols, {},
             {.parts = {{out, normed ? Buffer::branch : Buffer::hidden}}, .accumulate = !normed});
  if (normed) plan_.ops.emplace_back(AddNormedOp{Buffer::branch, post_norm});
}

void PlanCompiler::add(const Branch& branch, const FullAttention& attention) {
  const std::int64_t width = attention.heads * attention.head_dim;
  const bool gated = attention.gate.weight.rows != 0;
  const int kv_layer = add_kv_layer(attention);
  need(Buffer::attended, width);
  LinearOp qkv = {
      .parts = {{attention.q, Buffer::q}, {attention.k, Buffer::k}, {attention.v, Buffer::v}}};
  if (gated) qkv.parts.push_back({attention.gate, Buffer::z});
  add_linear(Buffer::hidden, table_.hidden, branch.norm, std::move(qkv));
  plan_.ops.emplace_back(StoreKvOp{attention.q_norm, attention.k_norm, attention.heads,
                                   attention.kv_heads, attention.head_dim, attention.rope,
                                   kv_layer});
  plan_.ops.emplace_back(AttendOp{attention.heads, attention.kv_heads, attention.head_dim,
                                  attention.scale, kv_layer, attention.window});
  if (gated) {
    plan_.ops.emplace_back(
        GateOp{Buffer::z, Buffer::attended, width, kernels::Activation::sigmoid});
  }
  add_out(gated ? Buffer::z : Buffer::attended, attention.out, branch.post_norm);
}

void PlanCompiler::add(const Branch& branch, const GatedMlp& mlp) {
  add_linear(Buffer::hidden, table_.hidden, branch.norm,
             {.parts = {{mlp.gate, Buffer::gate}, {mlp.up, Buffer::up}},
              .gated = true,
              .activation = mlp.activation});
  add_out(Buffer::gate, mlp.down, branch.post_norm);
}

// The router and the experts take one input.
void PlanCompiler::add(const Branch& branch, const MoeMlp& moe) {
  assert(branch.post_norm.weight == nullptr);
  const bool normed = branch.norm.weight != nullptr;
  GatherOp gather = {.from = Buffer::hidden, .cols = table_.hidden, .normed = normed};
  for (const ExpertMatrices* experts : {&moe.gate, &moe.up}) take(gather, experts->first);
  PrepareOp prepare_gate = {Buffer::expert_gate, moe.down.first.cols, {}};
  take(prepare_gate, moe.down.first);
  need_experts(moe, gather.floats || prepare_gate.floats);

  add_linear(Buffer::hidden, table_.hidden, branch.norm, {.parts = {{moe.router, Buffer::router}}});
  auto& prepare = std::get<PrepareOp>(plan_.ops[plan_.ops.size() - 2]);
  prepare.blocks |= gather.blocks;
  prepare.floats |= gather.floats;
  if (moe.shared) {
    for (const Linear* linear : {&moe.shared->gate, &moe.shared->up}) take(prepare, linear->weight);
    add_shared_expert(moe);
  }
  plan_.ops.emplace_back(RouteOp{moe.rule});
  plan_.ops.emplace_back(gather);
  plan_.ops.emplace_back(
      ExpertsOp{.parts = {{moe.gate, Buffer::expert_gate}, {moe.up, Buffer::expert_up}},
                .gated = true,
                .from = Buffer::hidden,
                .normed = normed});
  plan_.ops.emplace_back(prepare_gate);
  plan_.ops.emplace_back(
      ExpertsOp{.parts = {{moe.down, Buffer::expert_out}}, .from = Buffer::expert_gate});
  plan_.ops.emplace_back(CombineOp{});
  if (moe.shared) add_out(Buffer::gate, moe.shared->down, {});
}

// The first half of an expert that every row goes to, of the input that the router takes: its last
// matrix follows when nobody needs that input any more.
void PlanCompiler::add_shared_expert(const MoeMlp& moe) {
  const GatedMlp& shared = *moe.shared;
  const bool normed = std::get<LinearOp>(plan_.ops.back()).normed;
  auto& router = std::get<LinearOp>(plan_.ops.back());
  const bool weighed = moe.shared_gate.weight.rows != 0;
  if (weighed) {
    need(Buffer::shared_gate, 1);
    take(std::get<PrepareOp>(plan_.ops[plan_.ops.size() - 2]), moe.shared_gate.weight);
    router.parts.push_back({moe.shared_gate, Buffer::shared_gate});
  }
  const std::int64_t width = shared.gate.weight.rows;
  need(Buffer::gate, width);
  need(Buffer::up, width);
  plan_.ops.emplace_back(LinearOp{.parts = {{shared.gate, Buffer::gate}, {shared.up, Buffer::up}},
                                  .gated = true,
                                  .normed = normed,
                                  .activation = shared.activation});
  if (weighed) plan_.ops.emplace_back(WeighOp{Buffer::gate, width});
}

void PlanCompiler::need_experts(const MoeMlp& moe, bool floats) {
  need(Buffer::router, moe.rule.experts);
  need(Buffer::expert_gate, moe.gate.first.rows);
  need(Buffer::expert_up, moe.up.first.rows);
  need(Buffer::expert_out, moe.down.first.rows);
  plan_.experts_max = std::max(plan_.experts_max, moe.rule.experts);
  plan_.pairs_max = std::max(plan_.pairs_max, moe.rule.used);
  plan_.expert_input_width =
      std::max({plan_.expert_input_width, moe.gate.first.cols, moe.down.first.cols});
  plan_.experts_take_floats |= floats;
}

int PlanCompiler::add_kv_layer(const FullAttention& attention) {
  KvLayer layer = {plan_.kv.page_bytes, 0, attention.kv_heads, attention.head_dim};
  const std::int64_t bytes = layer.kv_heads * plan_.kv.strip_bytes(layer);
  layer.v_offset = layer.k_offset + bytes;
  plan_.kv.page_bytes += 2 * bytes;
  plan_.kv.layers.push_back(layer);
  return static_cast<int>(plan_.kv.layers.size()) - 1;
}

Plan compile_plan(const LayerTable& table, kernels::KvFormat kv_format, std::int64_t page_tokens) {
  return PlanCompiler(table, kv_format, page_tokens).compile();
}

}  // namespace hearth
