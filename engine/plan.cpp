// See plan.hpp.
#include "engine/plan.hpp"

#include <algorithm>

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
    plan_.ops.push_back(EmbedOp{table_.embedding});
    need(Buffer::hidden, table_.hidden);
    need(Buffer::normed, table_.hidden);
    for (const Layer& layer : table_.layers) {
      for (const Branch& branch : layer.branches) {
        plan_.ops.push_back(NormOp{branch.norm});
        for (const Mixer& mixer : branch.mixers) {
          std::visit([this](const auto& m) { add(m); }, mixer);
        }
      }
    }
    plan_.ops.push_back(HeadNormOp{table_.final_norm});
    plan_.ops.push_back(HeadOp{table_.head});
    return std::move(plan_);
  }

 private:
  void need(Buffer buffer, std::int64_t width) {
    std::int64_t& held = plan_.widths[static_cast<std::size_t>(buffer)];
    held = std::max(held, width);
  }

  void add(const FullAttention& attention) {
    const int kv_layer = add_kv_layer(attention);
    const std::int64_t q_width = attention.heads * attention.head_dim;
    const std::int64_t kv_width = attention.kv_heads * attention.head_dim;
    need(Buffer::q, q_width);
    need(Buffer::k, kv_width);
    need(Buffer::v, kv_width);
    need(Buffer::attended, q_width);
    plan_.ops.push_back(
        LinearOp{Buffer::normed,
                 /*accumulate=*/false,
                 {{attention.q, Buffer::q}, {attention.k, Buffer::k}, {attention.v, Buffer::v}}});
    plan_.ops.push_back(StoreKvOp{attention.q_norm, attention.k_norm, attention.heads,
                                  attention.kv_heads, attention.head_dim, attention.rope,
                                  kv_layer});
    plan_.ops.push_back(AttendOp{attention.heads, attention.kv_heads, attention.head_dim,
                                 attention.scale, kv_layer});
    plan_.ops.push_back(
        LinearOp{Buffer::attended, /*accumulate=*/true, {{attention.out, Buffer::hidden}}});
  }

  void add(const GatedMlp& mlp) {
    const std::int64_t width = mlp.gate.weight.rows;
    need(Buffer::gate, width);
    need(Buffer::up, width);
    plan_.ops.push_back(LinearOp{Buffer::normed,
                                 /*accumulate=*/false,
                                 {{mlp.gate, Buffer::gate}, {mlp.up, Buffer::up}}});
    plan_.ops.push_back(SwigluOp{width});
    plan_.ops.push_back(LinearOp{Buffer::gate, /*accumulate=*/true, {{mlp.down, Buffer::hidden}}});
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
