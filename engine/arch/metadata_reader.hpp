// Reads a model file's hyperparameters: NAME.* of its metadata, of the architecture's name.
//
// Errors, MODEL all of them, name the file and the key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "files/gguf.hpp"

namespace hearth::arch {

// Far above any model, far below any overflow: products of two stay below 2^42.
inline constexpr std::uint64_t kWidthMax = 1u << 21;

class MetadataReader {
 public:
  MetadataReader(const GgufFile& file, const char* name)
      : file_(file), prefix_(std::string(name) + ".") {}

  std::string key(const char* name) const { return prefix_ + name; }

  // 1 .. max.  Without a fallback it must be there.
  Result<std::int64_t> count(const char* name, std::uint64_t max,
                             std::optional<std::int64_t> fallback = {}) const;
  // One for each layer, min .. max: a list of them, or one for all.
  Result<std::vector<std::int64_t>> counts(const char* name, std::size_t layers, std::uint64_t min,
                                           std::uint64_t max) const;
  Result<double> real(const char* name, double fallback) const;
  // One for each layer.
  Result<std::vector<bool>> booleans(const char* name, std::size_t layers) const;
  Result<bool> boolean(const char* name, bool fallback) const;

  // "FILE: KEY " and why.
  Error wrong(const char* name, const std::string& why) const;

  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;  // outlives us
  const std::string prefix_;
};

}  // namespace hearth::arch
