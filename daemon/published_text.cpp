// See published_text.hpp.
#include "daemon/published_text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "common/unique_fd.hpp"
#include "common/whole_io.hpp"

namespace hearth {
namespace {

Error wrong_file(const std::string& why) {
  return {Code::CONFIG, "has a wrong file: " + why};
}

// A regular file only: a pipe would make the start wait for who writes it.
Result<std::string> read_text(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!file || fstat(file.get(), &status) != 0) {
    return wrong_file(fmt::format("{}: {}", path, std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) return wrong_file(path + " is no regular file");
  if (status.st_size == 0) return wrong_file(path + " is empty");
  if (static_cast<std::uint64_t>(status.st_size) > PublishedText::kBytesMax) {
    return wrong_file(fmt::format("{} has {} bytes, a prompt has at most {}", path, status.st_size,
                                  PublishedText::kBytesMax));
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  const Status read =
      read_whole_at(file.get(), std::as_writable_bytes(std::span(text)), 0, "read " + path);
  if (!read) return wrong_file(read.error().message);
  return text;
}

}  // namespace

Result<PublishedText> read_published(std::string_view setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string_view::npos) return Error{Code::CONFIG, "is not MODEL=FILE"};
  PublishedText published = {std::string(setting.substr(0, equals)),
                             std::string(setting.substr(equals + 1)), ""};
  if (published.file.empty()) return Error{Code::CONFIG, "has no file"};
  HEARTH_TRY(published.text, read_text(published.file));
  return published;
}

Result<std::vector<TokenId>> tokenize_published(const Tokenizer* tokenizer,
                                                const std::string& text) {
  if (tokenizer == nullptr) return Error{Code::TOKENIZATION, "the model has no vocabulary"};
  return tokenizer->encode(text, {.add_special = true, .parse_special = true});
}

}  // namespace hearth
