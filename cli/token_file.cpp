// See token_file.hpp.
#include "cli/token_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <limits>

#include "common/unique_fd.hpp"

namespace hearth::cli {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;  // more is a mistake, not a prompt
constexpr std::size_t kShownBytesMax = 40;

bool separates(char c) {
  return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

Error wrong(std::string message) {
  return Error{Code::CONFIG, std::move(message)};
}

std::string name_of(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

}  // namespace

Result<std::vector<std::int32_t>> parse_tokens(std::string_view text, const std::string& origin) {
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; at < text.size();) {
    if (separates(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !separates(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    std::int32_t id = 0;
    const auto [stop, error] = std::from_chars(word.begin(), word.end(), id);
    if (error != std::errc() || stop != word.end() || id < 0) {
      return wrong(fmt::format("{}: byte {}: \"{}\" is no token id: a whole number from 0 to {}",
                               origin, at, word.substr(0, kShownBytesMax),
                               std::numeric_limits<std::int32_t>::max()));
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

Result<std::string> read_file(const std::string& path) {
  UniqueFd opened;
  if (path != "-") {
    opened = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return wrong(from_errno("open " + path).message);
  }
  const int fd = opened ? opened.get() : STDIN_FILENO;
  std::string bytes;
  std::string chunk(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got == 0) return bytes;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return wrong(from_errno("read " + name_of(path)).message);
    bytes.append(chunk, 0, static_cast<std::size_t>(got));
    if (bytes.size() > kFileBytesMax) {
      return wrong(fmt::format("{}: over {} bytes", name_of(path), kFileBytesMax));
    }
  }
}

Result<std::string> read_text(const Input& input) {
  if (input.file) return read_file(*input.file);
  if (input.text == "-") return read_file("-");
  return input.text.value_or("");
}

Result<std::vector<std::int32_t>> read_tokens(const Input& input) {
  if (input.tokens_file) {
    HEARTH_TRY(const std::string text, read_file(*input.tokens_file));
    return parse_tokens(text, name_of(*input.tokens_file));
  }
  if (input.tokens) return parse_tokens(*input.tokens, "--tokens");
  std::string joined;
  for (const std::string& id : input.ids) joined.append(id).append(" ");
  return parse_tokens(joined, "IDS");
}

Result<std::vector<std::int32_t>> read_prompt_tokens(const Input& input) {
  HEARTH_TRY(std::vector<std::int32_t> ids, read_tokens(input));
  if (!ids.empty()) return ids;
  return wrong((input.tokens_file ? name_of(*input.tokens_file) : "--tokens") +
               ": there is no token id");
}

}  // namespace hearth::cli
