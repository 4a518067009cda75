// hearth tokenize, hearth detokenize.
#include <fmt/format.h>

#include <cstdio>
#include <span>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

std::uint32_t flag(bool set, hearth_token_flags value) {
  return set ? static_cast<std::uint32_t>(value) : 0;
}

}  // namespace

Result<int> run_tokenize(Connection& connection, const Options& options) {
  HEARTH_TRY(const std::string text, read_text(options.input));
  const std::uint32_t flags =
      flag(options.no_special, HEARTH_NO_SPECIAL) | flag(options.special, HEARTH_PARSE_SPECIAL);
  std::int32_t* raw = nullptr;
  std::size_t count = 0;
  HEARTH_CHECK(connection.check(hearth_tokenize(connection.client(), options.model.c_str(),
                                                text.data(), text.size(), flags, &raw, &count)));
  const Owned<std::int32_t> owned(raw);
  const std::span<const std::int32_t> ids(raw, count);
  if (options.json) {
    fmt::print("{}\n", json_array(ids));
    return 0;
  }
  std::string line;
  for (const std::int32_t id : ids) {
    if (!line.empty()) line += ' ';
    line += std::to_string(id);
  }
  fmt::print("{}\n", line);
  return 0;
}

Result<int> run_detokenize(Connection& connection, const Options& options) {
  std::vector<std::int32_t> ids;
  if (options.ids.empty()) {
    HEARTH_TRY(ids, read_tokens(options.input));
  } else {
    std::string joined;
    for (const std::string& id : options.ids) joined.append(id).append(" ");
    HEARTH_TRY(ids, parse_tokens(joined, "IDS"));
  }
  const std::uint32_t flags = flag(options.special, HEARTH_PARSE_SPECIAL);
  char* raw = nullptr;
  std::size_t size = 0;
  HEARTH_CHECK(connection.check(hearth_detokenize(connection.client(), options.model.c_str(),
                                                  ids.data(), ids.size(), flags, &raw, &size)));
  const Owned<char> owned(raw);
  if (options.json) {
    JsonObject json;
    json.add("text", std::string(raw, size));
    fmt::print("{}\n", json.text());
  } else if (std::fwrite(raw, 1, size, stdout) != size) {
    return from_errno("write to standard output");
  }
  return 0;
}

}  // namespace hearth::cli
