// The builders of all architectures, one file each.
#pragma once

#include "engine/layer_table.hpp"

namespace hearth::arch {

Result<LayerTable> build_gemma3(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_jamba(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_lfm2(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_llama(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_mamba(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_mamba2(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_qwen2(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_qwen3(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_qwen35(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_qwen3moe(WeightLoader& loader, const BuildOptions& options);
Result<LayerTable> build_qwen3next(WeightLoader& loader, const BuildOptions& options);

}  // namespace hearth::arch
