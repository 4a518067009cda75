// See output_file.hpp.
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "common/whole_io.hpp"

namespace hearth::cli {

Result<OutputFile> OutputFile::create(const std::string& path, mode_t mode) {
  OutputFile file;
  file.mode_ = mode;
  file.path_ = path;
  struct stat status = {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    file.fd_ = UniqueFd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.fd_) return from_errno("open " + path);
    return file;
  }
  std::error_code missing;
  const std::filesystem::path real = std::filesystem::canonical(path, missing);
  if (!missing) file.path_ = real;
  std::string temporary = file.path_ + ".XXXXXX";
  file.fd_ = UniqueFd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.fd_) return from_errno("create " + path);
  file.temporary_ = std::move(temporary);
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, "")),
      mode_(other.mode_),
      fd_(std::move(other.fd_)) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  return write_whole(fd_.get(), bytes, "write " + path_);
}

Status OutputFile::commit() {
  if (temporary_.empty()) return {};
  // mkostemp() gives 0600; a new file should have what the user's mask allows.
  const mode_t mask = umask(0);
  umask(mask);
  // Some file systems tell only here that they could not keep what was written.
  const bool kept = fchmod(fd_.get(), mode_ & ~mask) == 0 && ::close(fd_.release()) == 0;
  if (!kept || rename(temporary_.c_str(), path_.c_str()) != 0) {
    return from_errno("create " + path_);
  }
  temporary_.clear();
  return {};
}

}  // namespace hearth::cli
