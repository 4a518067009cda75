// See session_transfer.hpp.
#include "daemon/session_transfer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "common/checked.hpp"
#include "common/whole_io.hpp"

namespace hearth {
namespace {

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

// A whole memfd, mapped for reading.
class Mapping {
 public:
  static Result<Mapping> of(int fd) {
    struct stat status = {};
    if (fstat(fd, &status) != 0) return from_errno("stat a memfd");
    Mapping mapping;
    mapping.size_ = static_cast<std::size_t>(status.st_size);
    if (mapping.size_ == 0) return Error{Code::STORAGE, "the exported session: it is empty"};
    void* at = mmap(nullptr, mapping.size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) return from_errno("map a memfd");
    mapping.bytes_ = Bytes(static_cast<const std::byte*>(at), Unmap{mapping.size_});
    return mapping;
  }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }

 private:
  struct Unmap {
    std::size_t size;
    void operator()(const std::byte* at) const { munmap(const_cast<std::byte*>(at), size); }
  };
  using Bytes = std::unique_ptr<const std::byte, Unmap>;
  Mapping() = default;
  Bytes bytes_{nullptr, Unmap{0}};
  std::size_t size_ = 0;
};

}  // namespace

Status begin_export(SessionTransfer& transfer) {
  transfer.fd = UniqueFd(memfd_create("hearth-session", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!transfer.fd) return from_errno("make a memfd");
  transfer.offset = contents_offset(transfer.session);
  return {};
}

Status finish_export(SessionTransfer& transfer, const cache::Digest& key) {
  SessionContents contents = transfer.contents;
  // The engine may have ended in the middle of a checkpoint.
  const std::uint64_t end = contents.empty() ? 0 : transfer.offset + *contents.size();
  if (ftruncate(transfer.fd.get(), static_cast<off_t>(end)) != 0) return from_errno("cut a memfd");
  std::optional<Mapping> mapping;
  if (!contents.empty()) {
    HEARTH_TRY(mapping, Mapping::of(transfer.fd.get()));
    contents.bytes = mapping->bytes().subspan(transfer.offset);
  }
  HEARTH_CHECK(write_whole_at(transfer.fd.get(), encode_export(transfer.session, contents, key), 0,
                              "write a memfd"));
  if (fcntl(transfer.fd.get(), F_ADD_SEALS, kSeals) != 0) return from_errno("seal a memfd");
  return {};
}

Status read_import(SessionTransfer& transfer, const cache::Digest& key) {
  const int seals = fcntl(transfer.fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return Error{Code::INVALID,
                 "descriptor: it is no memfd whose size and contents are sealed, so that it could "
                 "change after it was checked"};
  }
  HEARTH_TRY(const Mapping mapping, Mapping::of(transfer.fd.get()));
  Result<DecodedSession> decoded = decode_session(mapping.bytes(), key);
  if (!decoded) {
    return Error{decoded.error().code,
                 fmt::format("the exported session: {}", decoded.error().message)};
  }
  transfer.session = std::move(decoded->session);
  transfer.contents = decoded->contents;
  transfer.contents.bytes = {};  // they go with the mapping
  if (!transfer.contents.empty()) {
    transfer.offset =
        static_cast<std::uint64_t>(decoded->contents.bytes.data() - mapping.bytes().data());
  }
  return {};
}

}  // namespace hearth
