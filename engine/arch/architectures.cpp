// The table of architectures: adding one is a file in this directory and a line here.
#include <fmt/format.h>

#include <array>

#include "engine/arch/architectures.hpp"

namespace hearth {
namespace {

constexpr std::array kArchitectures = {
    Architecture{"gemma3", arch::build_gemma3},
    Architecture{"jamba", arch::build_jamba},
    Architecture{"lfm2", arch::build_lfm2},
    Architecture{"llama", arch::build_llama},
    Architecture{"mamba", arch::build_mamba},
    Architecture{"mamba2", arch::build_mamba2},
    Architecture{"qwen2", arch::build_qwen2},
    Architecture{"qwen3", arch::build_qwen3},
    Architecture{"qwen35", arch::build_qwen35},
    Architecture{"qwen3moe", arch::build_qwen3moe},
    Architecture{"qwen3next", arch::build_qwen3next},
};

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

Result<const Architecture*> find_architecture(const GgufFile& file) {
  HEARTH_TRY(const auto name, file.string_value("general.architecture"));
  if (!name) return Error{Code::MODEL, file.path() + ": general.architecture is missing"};
  std::string supported;
  for (const Architecture& entry : kArchitectures) {
    if (*name == entry.name) return &entry;
    supported += (supported.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Error{Code::MODEL,
               fmt::format("{}: architecture \"{}\" is not supported; supported are {}",
                           file.path(), *name, supported)};
}

}  // namespace hearth
