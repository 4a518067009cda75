// See plan.hpp.
#include "engine/plan.hpp"

#include <algorithm>
#include <cassert>

namespace hearth {
namespace {

class PlanCompiler {
 public:
  PlanCompiler(const LayerTable& table, kernels::KvFormat kv_format, std::int64_t page_tokens)
      : table_(table) {
    plan_.kv.format = kv_format;
    plan_.kv.page_tokens = page_tokens;
  }

  Plan compile() {
    plan_.ops.emplace_back(EmbedOp{table_.embedding});
    need(Buffer::hidden, table_.hidden);
    plan_.input_width = table_.hidden;
    for (const Layer& layer : table_.layers) {
      for (const Branch& branch : layer.branches) {
        // The first mixer adds to the hidden state: a second one would need the input as it was.
        assert(branch.mixers.size() == 1);
        std::visit([&](const auto& mixer) { add(branch.norm, mixer); }, branch.mixers.front());
      }
    }
    plan_.ops.emplace_back(HeadNormOp{table_.final_norm, takes_blocks(table_.head.weight)});
    plan_.ops.emplace_back(HeadOp{table_.head});
    return std::move(plan_);
  }

 private:
  void need(Buffer buffer, std::int64_t width) {
    std::int64_t& held = plan_.widths[static_cast<std::size_t>(buffer)];
    held = std::max(held, width);
  }

  static bool takes_blocks(const Matrix& matrix) {
    return kernels::block_shape(matrix.format).weights > 1;
  }

  // What a matrix takes of the preparation, or of the gathering, before it.
  template <class InputOp>
  static void take(InputOp& input, const Matrix& matrix) {
    (takes_blocks(matrix) ? input.blocks : input.floats) = true;
  }

  // Matrices that take the same input, normed or as it is.
  void add_linear(Buffer from, const RmsNorm& norm, LinearOp linear) {
    PrepareOp prepare = {from, norm};
    for (const LinearPart& part : linear.parts) {
      need(part.out, part.linear.weight.rows);
      plan_.input_width = std::max(plan_.input_width, part.linear.weight.cols);
      take(prepare, part.linear.weight);
    }
    linear.from = from;
    linear.normed = norm.weight != nullptr;
    plan_.ops.emplace_back(prepare);
    plan_.ops.emplace_back(std::move(linear));
  }

  void add(const RmsNorm& norm, const FullAttention& attention) {
    const int kv_layer = add_kv_layer(attention);
    need(Buffer::attended, attention.heads * attention.head_dim);
    add_linear(
        Buffer::hidden, norm,
        {.parts = {{attention.q, Buffer::q}, {attention.k, Buffer::k}, {attention.v, Buffer::v}}});
    plan_.ops.emplace_back(StoreKvOp{attention.q_norm, attention.k_norm, attention.heads,
                                     attention.kv_heads, attention.head_dim, attention.rope,
                                     kv_layer});
    plan_.ops.emplace_back(AttendOp{attention.heads, attention.kv_heads, attention.head_dim,
                                    attention.scale, kv_layer});
    add_linear(Buffer::attended, {},
               {.parts = {{attention.out, Buffer::hidden}}, .accumulate = true});
  }

  void add(const RmsNorm& norm, const GatedMlp& mlp) {
    add_linear(Buffer::hidden, norm,
               {.parts = {{mlp.gate, Buffer::gate}, {mlp.up, Buffer::up}}, .gated = true});
    add_linear(Buffer::gate, {}, {.parts = {{mlp.down, Buffer::hidden}}, .accumulate = true});
  }

  // The router and the experts take one input.
  void add(const RmsNorm& norm, const MoeMlp& moe) {
    const bool normed = norm.weight != nullptr;
    GatherOp gather = {.from = Buffer::hidden, .normed = normed};
    for (const ExpertMatrices* experts : {&moe.gate, &moe.up}) take(gather, experts->first);
    PrepareOp prepare = {Buffer::hidden, norm, gather.blocks, gather.floats};
    take(prepare, moe.router.weight);
    PrepareOp prepare_gate = {Buffer::expert_gate, {}};
    take(prepare_gate, moe.down.first);
    need_experts(moe, gather.floats || prepare_gate.floats);

    plan_.ops.emplace_back(prepare);
    plan_.ops.emplace_back(LinearOp{.parts = {{moe.router, Buffer::router}}, .normed = normed});
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
  }

  void need_experts(const MoeMlp& moe, bool floats) {
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

  int add_kv_layer(const FullAttention& attention) {
    KvLayer layer = {plan_.kv.page_bytes, 0, attention.kv_heads, attention.head_dim};
    const std::int64_t bytes = layer.kv_heads * plan_.kv.strip_bytes(layer);
    layer.v_offset = layer.k_offset + bytes;
    plan_.kv.page_bytes += 2 * bytes;
    plan_.kv.layers.push_back(layer);
    return static_cast<int>(plan_.kv.layers.size()) - 1;
  }

  const LayerTable& table_;
  Plan plan_;
};

}  // namespace

Plan compile_plan(const LayerTable& table, kernels::KvFormat kv_format, std::int64_t page_tokens) {
  return PlanCompiler(table, kv_format, page_tokens).compile();
}

}  // namespace hearth
