// See metadata_reader.hpp.
#include "engine/arch/metadata_reader.hpp"

#include <fmt/format.h>

#include <cmath>
#include <span>

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

Result<std::vector<std::int64_t>> MetadataReader::counts(const char* name, std::size_t layers,
                                                         std::uint64_t min,
                                                         std::uint64_t max) const {
  const GgufValue* value = file_.find(key(name));
  std::vector<double> found;
  if (value != nullptr && value->type == GgufType::array) {
    HEARTH_TRY(auto list, file_.real_array(key(name)));
    found = std::move(list).value_or(std::vector<double>());
  } else {
    HEARTH_TRY(const auto one, file_.require_uint(key(name)));
    found.assign(layers, static_cast<double>(one));
  }
  if (found.size() < layers) {
    return wrong(name, fmt::format("has {} numbers for {} layers", found.size(), layers));
  }
  std::vector<std::int64_t> counts;
  for (const double one : std::span(found).first(layers)) {
    if (!(one >= static_cast<double>(min) && one <= static_cast<double>(max)) ||
        one != std::floor(one)) {
      return wrong(
          name, fmt::format("holds {}; whole numbers from {} to {} are possible", one, min, max));
    }
    counts.push_back(static_cast<std::int64_t>(one));
  }
  return counts;
}

Result<double> MetadataReader::real(const char* name, double fallback) const {
  HEARTH_TRY(const auto found, file_.real_value(key(name)));
  return found.value_or(fallback);
}

Result<std::vector<bool>> MetadataReader::booleans(const char* name, std::size_t layers) const {
  const GgufValue* value = file_.find(key(name));
  const bool fits = value != nullptr && value->type == GgufType::array &&
                    value->element_type == GgufType::boolean && value->bytes.size() >= layers;
  if (!fits) return wrong(name, fmt::format("is no list of {} booleans", layers));
  std::vector<bool> list;
  for (const std::byte one : value->bytes.first(layers)) list.push_back(one != std::byte{0});
  return list;
}

Result<bool> MetadataReader::boolean(const char* name, bool fallback) const {
  HEARTH_TRY(const auto found, file_.bool_value(key(name)));
  return found.value_or(fallback);
}

Error MetadataReader::wrong(const char* name, const std::string& why) const {
  return Error{Code::MODEL, fmt::format("{}: {} {}", file_.path(), key(name), why)};
}

}  // namespace hearth::arch
