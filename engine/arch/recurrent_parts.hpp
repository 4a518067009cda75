// The recurrent layers of several architectures, as GGUF files have them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/arch/metadata_reader.hpp"
#include "engine/arch/parts.hpp"
#include "engine/layer_table.hpp"

namespace hearth::arch {

// NAME.ssm.*: of Mamba, Mamba-2 and the gated delta net, which has heads where those have channels.
struct StateShape {
  std::int64_t inner = 0;       // inner_size: channels, or all values of a row
  std::int64_t state = 0;       // state_size: a channel's numbers, or a head's keys
  std::int64_t rank = 0;        // time_step_rank: Mamba's, or how many heads there are
  std::int64_t groups = 1;      // group_count: that share keys
  std::int64_t conv_width = 0;  // conv_kernel
  bool normed_steps = false;    // dt_b_c_rms: Falcon's Mamba norms dt, b and c, without weights
};
Result<StateShape> read_state_shape(const MetadataReader& reader);
// inner is so many heads, in whole groups, whose keys are no wider than a row may be.
Status check_heads(const MetadataReader& reader, const StateShape& shape);

// STEM.weight, [channels, width] in the file, and STEM.bias where it has one.
Result<Convolution> load_convolution(WeightLoader& loader, const std::string& stem,
                                     std::int64_t channels, std::int64_t width);

// block: "blk.0."
Result<Mamba1> load_mamba1(WeightLoader& loader, const std::string& block, const ModelShape& model,
                           const StateShape& shape);
Result<Mamba2> load_mamba2(WeightLoader& loader, const std::string& block, const ModelShape& model,
                           const StateShape& shape);

}  // namespace hearth::arch
