// See recurrent_parts.hpp.
#include "engine/arch/recurrent_parts.hpp"

#include <fmt/format.h>

namespace hearth::arch {
namespace {

constexpr std::uint64_t kStateMax = kernels::kDeltaKeyDimMax;

}  // namespace

Result<StateShape> read_state_shape(const MetadataReader& reader) {
  StateShape shape;
  HEARTH_TRY(shape.inner, reader.count("ssm.inner_size", kWidthMax));
  HEARTH_TRY(shape.state, reader.count("ssm.state_size", kStateMax));
  HEARTH_TRY(shape.rank, reader.count("ssm.time_step_rank", kWidthMax));
  HEARTH_TRY(shape.groups, reader.count("ssm.group_count", kWidthMax, 1));
  HEARTH_TRY(shape.normed_steps, reader.boolean("ssm.dt_b_c_rms", false));
  HEARTH_TRY(shape.conv_width, reader.count("ssm.conv_kernel", kernels::kConvWidthMax));
  return shape;
}

Status check_heads(const MetadataReader& reader, const StateShape& shape) {
  if (shape.inner % shape.rank != 0) {
    return reader.wrong(
        "ssm.time_step_rank",
        fmt::format("is {}, which does not divide inner_size, {}", shape.rank, shape.inner));
  }
  if (shape.rank % shape.groups != 0) {
    return reader.wrong("ssm.group_count", fmt::format("is {}, which does not divide the {} heads",
                                                       shape.groups, shape.rank));
  }
  if (shape.groups * shape.state > static_cast<std::int64_t>(kWidthMax)) {
    return reader.wrong("ssm.group_count",
                        fmt::format("is {}: times state_size, {}, that is above {}", shape.groups,
                                    shape.state, kWidthMax));
  }
  return {};
}

Result<Convolution> load_convolution(WeightLoader& loader, const std::string& stem,
                                     std::int64_t channels, std::int64_t width) {
  Convolution conv;
  conv.channels = channels;
  conv.width = width;
  HEARTH_TRY(conv.weight, loader.transposed(stem + ".weight", channels, width, channels));
  HEARTH_TRY(conv.bias, loader.optional_vector(stem + ".bias", channels));
  return conv;
}

// ssm_in is [x, z], ssm_x is [low_step, b, c].
Result<Mamba1> load_mamba1(WeightLoader& loader, const std::string& block, const ModelShape& model,
                           const StateShape& shape) {
  Mamba1 mamba;
  const std::int64_t inner = shape.inner, state = shape.state, rank = shape.rank;
  mamba.inner = inner;
  mamba.state = state;
  const auto in_rows = [&](std::int64_t begin) {
    return loader.linear_rows(block + "ssm_in", 2 * inner, model.hidden, {begin, inner, inner, 1});
  };
  HEARTH_TRY(mamba.x, in_rows(0));
  HEARTH_TRY(mamba.z, in_rows(inner));
  const auto x_rows = [&](std::int64_t begin, std::int64_t count) {
    return loader.linear_rows(block + "ssm_x", rank + 2 * state, inner, {begin, count, count, 1});
  };
  HEARTH_TRY(mamba.low_step, x_rows(0, rank));
  HEARTH_TRY(mamba.b, x_rows(rank, state));
  HEARTH_TRY(mamba.c, x_rows(rank + state, state));
  HEARTH_TRY(mamba.step, loader.linear(block + "ssm_dt", inner, rank));
  HEARTH_TRY(mamba.out, loader.linear(block + "ssm_out", model.hidden, inner));
  HEARTH_TRY(mamba.conv, load_convolution(loader, block + "ssm_conv1d", inner, shape.conv_width));
  HEARTH_TRY(mamba.a, loader.transposed(block + "ssm_a", inner, state, kernels::kStateTile));
  HEARTH_TRY(mamba.d, loader.vector(block + "ssm_d", inner));
  HEARTH_TRY(mamba.step_norm, load_optional_norm(loader, block + "ssm_dt_norm", rank, model.eps));
  HEARTH_TRY(mamba.b_norm, load_optional_norm(loader, block + "ssm_b_norm", state, model.eps));
  HEARTH_TRY(mamba.c_norm, load_optional_norm(loader, block + "ssm_c_norm", state, model.eps));
  if (!shape.normed_steps) return mamba;
  for (RmsNorm* norm : {&mamba.step_norm, &mamba.b_norm, &mamba.c_norm}) {
    HEARTH_TRY(norm->weight, loader.filled(1, norm->size));
  }
  return mamba;
}

// ssm_in is [z, x, b, c, step].
Result<Mamba2> load_mamba2(WeightLoader& loader, const std::string& block, const ModelShape& model,
                           const StateShape& shape) {
  Mamba2 mamba;
  mamba.heads = shape.rank;
  mamba.head_dim = shape.inner / shape.rank;
  mamba.groups = shape.groups;
  mamba.state = shape.state;
  const std::int64_t inner = shape.inner;
  const std::int64_t mixed = inner + 2 * shape.groups * shape.state;
  const auto in_rows = [&](std::int64_t begin, std::int64_t count) {
    return loader.linear_rows(block + "ssm_in", inner + mixed + shape.rank, model.hidden,
                              {begin, count, count, 1});
  };
  HEARTH_TRY(mamba.z, in_rows(0, inner));
  HEARTH_TRY(mamba.xbc, in_rows(inner, mixed));
  HEARTH_TRY(mamba.step, in_rows(inner + mixed, shape.rank));
  HEARTH_TRY(mamba.out, loader.linear(block + "ssm_out", model.hidden, inner));
  HEARTH_TRY(mamba.conv, load_convolution(loader, block + "ssm_conv1d", mixed, shape.conv_width));
  HEARTH_TRY(mamba.a, loader.vector(block + "ssm_a", 1, shape.rank));
  HEARTH_TRY(mamba.d, loader.vector(block + "ssm_d", 1, shape.rank));
  HEARTH_TRY(mamba.dt_bias, loader.vector(block + "ssm_dt.bias", shape.rank));
  mamba.norm = {nullptr, inner / shape.groups, model.eps};
  HEARTH_TRY(mamba.norm.weight,
             loader.vector(block + "ssm_norm.weight", mamba.norm.size, shape.groups));
  return mamba;
}

}  // namespace hearth::arch
