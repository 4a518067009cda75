// A file that is there whole or not at all: written under another name, renamed at the end.
// What exists and is no regular file (/dev/stdout, a pipe) is written to as it is; a symbolic link
// stays, and what it points to is replaced.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cli {

class OutputFile {
 public:
  // mode: of a new file, before the user's mask.
  static Result<OutputFile> create(const std::string& path, mode_t mode = 0666);
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
  mode_t mode_ = 0;
  UniqueFd fd_;
};

}  // namespace hearth::cli
