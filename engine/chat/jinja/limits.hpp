// What a template may use.  Templates come with models and values from clients: neither is trusted.
#pragma once

#include <cstdint>

namespace hearth::jinja {

struct Limits {
  // Of compile().
  std::uint32_t source_bytes = 1u << 20;
  std::uint32_t nesting = 200;  // blocks and expressions within each other; also of JSON

  // Of one render().
  std::uint64_t steps = 100'000'000;          // a node evaluated, an item or 64 bytes looked at
  std::uint64_t memory_bytes = 256ull << 20;  // all values it makes
  std::uint32_t output_bytes = 32u << 20;
  std::uint32_t string_bytes = 32u << 20;  // of one text; below 2^31
  std::uint32_t list_items = 1'000'000;    // of one list, dict or range
  std::uint32_t depth = 1000;  // evaluations within each other: macros that call themselves; values
};

}  // namespace hearth::jinja
