#include "cli/token_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <memory>

namespace hearth::cli {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 30;  // more is a mistake, not a prompt

bool separates(char c) {
  return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

}  // namespace

Result<std::vector<std::int32_t>> parse_tokens(const std::string& text, const std::string& origin) {
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; at < text.size();) {
    if (separates(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !separates(text[end])) ++end;
    std::int32_t id = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end || id < 0) {
      return Error{Code::INVALID,
                   fmt::format("{}: \"{}\" at byte {} is no token id", origin,
                               text.substr(at, std::min(end - at, std::size_t{40})), at)};
    }
    ids.push_back(id);
    at = end;
  }
  if (ids.empty()) return Error{Code::INVALID, origin + ": there is no token id in it"};
  return ids;
}

Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(path == "-" ? stdin
                                                               : std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) return from_errno("open " + path);
  std::string bytes;
  char chunk[1 << 16];
  while (const std::size_t got = std::fread(chunk, 1, sizeof(chunk), file.get())) {
    bytes.append(chunk, got);
    if (bytes.size() > kFileBytesMax) {
      return Error{Code::LIMIT, fmt::format("{}: over {} bytes", path, kFileBytesMax)};
    }
  }
  if (std::ferror(file.get()) != 0) return from_errno("read " + path);
  return bytes;
}

Result<std::string> read_text(const Input& input) {
  if (!input.file.empty()) return read_file(input.file);
  if (input.text == "-") return read_file("-");
  return input.text;
}

Result<std::vector<std::int32_t>> read_tokens(const Input& input) {
  if (input.tokens_file.empty()) return parse_tokens(input.tokens, "--tokens");
  HEARTH_TRY(const std::string text, read_file(input.tokens_file));
  return parse_tokens(text, input.tokens_file);
}

}  // namespace hearth::cli
