// See metadata_reader.hpp.
#include "engine/arch/metadata_reader.hpp"

#include <fmt/format.h>

namespace hearth::arch {

Result<std::int64_t> MetadataReader::count(const char* name, std::uint64_t max,
                                           std::optional<std::int64_t> fallback) const {
  HEARTH_TRY(const auto found, file_.uint_value(key(name)));
  if (!found && fallback) return *fallback;
  HEARTH_TRY(const auto value, file_.require_uint(key(name)));
  if (value < 1 || value > max) {
    return wrong(name, fmt::format("is {}; 1 to {} are possible", value, max));
  }
  return static_cast<std::int64_t>(value);
}

Result<double> MetadataReader::real(const char* name, double fallback) const {
  HEARTH_TRY(const auto found, file_.real_value(key(name)));
  return found.value_or(fallback);
}

Result<bool> MetadataReader::boolean(const char* name, bool fallback) const {
  HEARTH_TRY(const auto found, file_.bool_value(key(name)));
  return found.value_or(fallback);
}

Error MetadataReader::wrong(const char* name, const std::string& why) const {
  return Error{Code::MODEL, fmt::format("{}: {} {}", file_.path(), key(name), why)};
}

}  // namespace hearth::arch
