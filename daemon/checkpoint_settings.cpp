// See checkpoint_settings.hpp.
#include "daemon/checkpoint_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "common/checkpoint_fields.h"

namespace hearth {
namespace {

struct Field {
  std::string name;  // "min-gap"
  std::int64_t low, high;
  void (*set)(cache::CheckpointSettings& settings, std::int64_t value);
};

std::string with_dashes(std::string name) {
  std::ranges::replace(name, '_', '-');
  return name;
}

const Field* find_field(const std::string& name) {
  static const Field kFields[] = {
#define HEARTH_FIELD_(wire, field, low, high, help)                                              \
  {with_dashes(#field), low, high, [](cache::CheckpointSettings& settings, std::int64_t value) { \
     settings.field = static_cast<decltype(settings.field)>(value);                              \
   }},
      HEARTH_CHECKPOINT_FIELDS(HEARTH_FIELD_)
#undef HEARTH_FIELD_
  };
  const Field* found = std::ranges::find(kFields, name, &Field::name);
  return found == std::end(kFields) ? nullptr : found;
}

}  // namespace

Result<cache::CheckpointSettings> parse_checkpoint_settings(const std::string& text) {
  cache::CheckpointSettings settings;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const Field* field = find_field(part.substr(0, equals));
    if (field == nullptr) {
      return Error{Code::CONFIG,
                   fmt::format("\"{}\" is none of max-checkpoints=N, every-n-tokens=N, "
                               "min-tokens=N, min-gap=N",
                               part)};
    }
    const std::string digits = part.substr(std::min(equals + 1, part.size()));
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_number = error == std::errc() && end == digits.data() + digits.size();
    if (!is_number || value < field->low || value > field->high) {
      return Error{Code::CONFIG, fmt::format("{} is \"{}\": a number from {} to {} is possible",
                                             field->name, digits, field->low, field->high)};
    }
    field->set(settings, value);
  }
  return settings;
}

}  // namespace hearth
