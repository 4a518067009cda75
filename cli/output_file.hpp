// A file that is there whole or not at all: written under another name, renamed at the end.
// What exists and is no regular file (/dev/stdout, a pipe) is written to as it is; a symbolic link
// stays, and what it points to is replaced.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cli {

class OutputFile {
 public:
  static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // what was not committed is removed

  Status write(std::span<const std::byte> bytes);
  // Nothing may be written after it.
  Status commit();

 private:
  OutputFile() = default;
  std::string path_;
  std::string temporary_;  // empty: written in place, or committed
  UniqueFd fd_;
};

}  // namespace hearth::cli
