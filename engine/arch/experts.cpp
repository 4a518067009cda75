// See experts.hpp.
#include "engine/arch/experts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::arch {
namespace {

constexpr std::uint64_t kExpertsMax = 4096;
constexpr double kScaleMax = 1e6;

// The numbers of expert_gating_func, as the field writes them.
enum class GatingFunction : std::uint64_t {
  not_said = 0,
  softmax = 1,
  sigmoid = 2,
  softmax_of_chosen = 3,
};

Result<ExpertWeighting> read_weighting(const MetadataReader& reader, bool normed_weights) {
  HEARTH_TRY(const auto found, reader.file().uint_value(reader.key("expert_gating_func")));
  const auto function = static_cast<GatingFunction>(found.value_or(0));
  if (function == GatingFunction::softmax_of_chosen) return ExpertWeighting::softmax_of_chosen;
  if (function != GatingFunction::not_said && function != GatingFunction::softmax) {
    return reader.wrong(
        "expert_gating_func",
        fmt::format("is {}; supported are 1, softmax, and 3, softmax of those chosen", *found));
  }
  HEARTH_TRY(const bool normed, reader.boolean("expert_weights_norm", normed_weights));
  return normed ? ExpertWeighting::softmax_of_chosen : ExpertWeighting::softmax;
}

// 0 stands for none in the field's files.
Result<float> read_scale(const MetadataReader& reader) {
  HEARTH_TRY(const double scale, reader.real("expert_weights_scale", 0));
  if (!(scale >= 0 && scale <= kScaleMax)) {
    return reader.wrong("expert_weights_scale", fmt::format("is not in 0 .. {}", kScaleMax));
  }
  return scale == 0 ? 1.0F : static_cast<float>(scale);
}

}  // namespace

Result<std::optional<ExpertShape>> read_experts(const MetadataReader& reader, std::int64_t hidden,
                                                const ExpertDefaults& defaults) {
  const std::string key = reader.key("expert_count");
  HEARTH_TRY(const auto count, reader.file().uint_value(key));
  if (count.value_or(0) == 0) return std::optional<ExpertShape>();
  HEARTH_TRY(const auto shared, reader.file().uint_value(reader.key("expert_shared_count")));
  if (shared.value_or(0) != 0 && !defaults.shared) {
    return reader.wrong("expert_shared_count",
                        fmt::format("is {}; experts of all rows are not supported", *shared));
  }
  ExpertShape shape;
  shape.hidden = hidden;
  HEARTH_TRY(shape.rule.experts, reader.count("expert_count", kExpertsMax));
  HEARTH_TRY(shape.rule.used,
             reader.count("expert_used_count", static_cast<std::uint64_t>(shape.rule.experts)));
  const bool own_width = reader.file().find(reader.key("expert_feed_forward_length")) != nullptr;
  HEARTH_TRY(
      shape.width,
      reader.count(own_width ? "expert_feed_forward_length" : "feed_forward_length", kWidthMax));
  // A row's activations in all of its experts: no wider than a layer without experts may be.
  const auto widest = static_cast<std::uint64_t>(std::max(shape.width, hidden));
  if (static_cast<std::uint64_t>(shape.rule.used) * widest > kWidthMax) {
    return reader.wrong("expert_used_count",
                        fmt::format("is {}: times {}, the width of an expert, that is above {}",
                                    shape.rule.used, widest, kWidthMax));
  }
  HEARTH_TRY(shape.rule.weighting, read_weighting(reader, defaults.normed_weights));
  HEARTH_TRY(shape.rule.scale, read_scale(reader));
  const char* const shared_width = "expert_shared_feed_forward_length";
  if (defaults.shared && reader.file().find(reader.key(shared_width)) != nullptr) {
    HEARTH_TRY(shape.shared_width, reader.count(shared_width, kWidthMax));
  }
  return std::optional(shape);
}

Result<MoeMlp> load_experts(WeightLoader& loader, const std::string& block,
                            const ExpertShape& shape) {
  MoeMlp moe;
  moe.rule = shape.rule;
  const std::int64_t count = shape.rule.experts, width = shape.width, hidden = shape.hidden;
  HEARTH_TRY(moe.router, loader.linear(block + "ffn_gate_inp", count, hidden));
  HEARTH_TRY(moe.gate, loader.experts(block + "ffn_gate_exps.weight", count, width, hidden));
  HEARTH_TRY(moe.up, loader.experts(block + "ffn_up_exps.weight", count, width, hidden));
  HEARTH_TRY(moe.down, loader.experts(block + "ffn_down_exps.weight", count, hidden, width));
  if (shape.shared_width == 0) return moe;
  GatedMlp& mlp = moe.shared.emplace();
  HEARTH_TRY(mlp.gate, loader.linear(block + "ffn_gate_shexp", shape.shared_width, hidden));
  HEARTH_TRY(mlp.up, loader.linear(block + "ffn_up_shexp", shape.shared_width, hidden));
  HEARTH_TRY(mlp.down, loader.linear(block + "ffn_down_shexp", hidden, shape.shared_width));
  HEARTH_TRY(moe.shared_gate, loader.linear(block + "ffn_gate_inp_shexp", 1, hidden));
  return moe;
}

Result<Branch> load_feed_forward(WeightLoader& loader, const std::string& block, const char* norm,
                                 const ModelShape& model, std::int64_t width,
                                 const std::optional<ExpertShape>& experts) {
  Branch branch;
  HEARTH_TRY(branch.norm, load_norm(loader, block + norm, model.hidden, model.eps));
  const bool has_router = loader.file().find_tensor(block + "ffn_gate_inp.weight") != nullptr;
  if (experts && (has_router || width == 0)) {
    HEARTH_TRY(MoeMlp moe, load_experts(loader, block, *experts));
    branch.mixers.emplace_back(std::move(moe));
  } else {
    HEARTH_TRY(GatedMlp mlp, load_mlp(loader, block, model.hidden, width));
    branch.mixers.emplace_back(std::move(mlp));
  }
  return branch;
}

}  // namespace hearth::arch
