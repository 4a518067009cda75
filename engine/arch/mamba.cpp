// Mamba: layers of selective state spaces and nothing else.
#include <fmt/format.h>

#include "engine/arch/architectures.hpp"
#include "engine/arch/parts.hpp"
#include "engine/arch/recurrent_parts.hpp"

namespace hearth::arch {

Result<LayerTable> build_mamba(WeightLoader& loader, const BuildOptions& /*options*/) {
  const MetadataReader reader(loader.file(), "mamba");
  HEARTH_TRY(const ModelShape model, read_model(reader));
  HEARTH_TRY(const StateShape shape, read_state_shape(reader));
  HEARTH_TRY(LayerTable table, begin_table(loader, model));
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    Branch& branch = table.layers.emplace_back().branches.emplace_back();
    HEARTH_TRY(branch.norm, load_norm(loader, block + "attn_norm", model.hidden, model.eps));
    HEARTH_TRY(Mamba1 mamba, load_mamba1(loader, block, model, shape));
    branch.mixers.emplace_back(std::move(mamba));
  }
  HEARTH_CHECK(end_table(loader, model, "output_norm", table));
  return table;
}

}  // namespace hearth::arch
