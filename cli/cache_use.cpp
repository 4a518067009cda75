// See cache_use.hpp.
#include "cli/cache_use.hpp"

#include <fmt/format.h>

#include "cli/json.hpp"
#include "cli/table.hpp"

namespace hearth::cli {

std::string cache_use_text(const hearth_result& result) {
  std::string details;
  const auto add = [&](std::int64_t count, const std::string& what) {
    if (count > 0) details += fmt::format("{}{} {}", details.empty() ? "" : ", ", count, what);
  };
  add(result.published_tokens, "published");
  add(result.copied_tokens, "copied");
  add(result.waited_tokens, "waited for");
  add(result.restored_tokens, fmt::format("restored in {:.1f} ms", result.restore_ms));
  add(result.recomputed_tokens, "computed again");
  add(result.lost_no_checkpoint, "lost without a checkpoint");
  std::string text =
      fmt::format("cached {} of {} prompt tokens", result.cached_tokens, result.prompt_tokens);
  if (!details.empty()) text += fmt::format(" ({})", details);
  if (result.cache == nullptr) return text;
  text += fmt::format(": {}", hearth_match_end_text(result.match_end));
  // Why the cache of the model began empty.
  const JsonDocument document(result.cache);
  const std::string cold = document.view()["cold"].string();
  if (!cold.empty() && cold != "none")
    text += fmt::format(" (it began empty: {})", printable(cold));
  return text;
}

std::string cache_use_json(const hearth_result& result) {
  return result.cache == nullptr ? "null" : result.cache;
}

}  // namespace hearth::cli
