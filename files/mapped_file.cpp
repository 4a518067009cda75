// See mapped_file.hpp.
#include "files/mapped_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "common/unique_fd.hpp"

namespace hearth {
namespace {

// The handler's view of the mappings.  A slot is taken when begin is not 0; the handler only reads
// begin and end and sets vanished, all lock-free, so it is safe in a signal handler.
struct GuardSlot {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> vanished{false};
};
std::array<GuardSlot, 256> guard_slots;
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

void on_sigbus(int signal_number, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (GuardSlot& slot : guard_slots) {
    const std::uintptr_t begin = slot.begin.load();
    if (begin == 0 || address < begin || address >= slot.end.load()) continue;
    const std::uintptr_t page_size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    void* page = reinterpret_cast<void*>(address & ~(page_size - 1));
    if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
      slot.vanished.store(true);
      return;
    }
  }
  // Not ours to mend: a segment of the cache, for one, whose bytes must not become others.
  constexpr std::string_view kWhy =
      "fatal: a file that is mapped was truncated or its memory is gone; a daemon that is started "
      "again begins with what is whole\n";
  const ssize_t told = write(STDERR_FILENO, kWhy.data(), kWhy.size());
  (void)told;
  signal(signal_number, SIG_DFL);  // die as without a handler
  raise(signal_number);
}

int take_guard_slot(const std::byte* data, std::size_t size) {
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  for (std::size_t i = 0; i < guard_slots.size(); ++i) {
    std::uintptr_t free_slot = 0;
    // end is written first for the handler: until begin is set the slot matches nothing.
    if (!guard_slots[i].begin.compare_exchange_strong(free_slot, 1)) continue;
    guard_slots[i].vanished = false;
    guard_slots[i].end = begin + size;
    guard_slots[i].begin = begin;
    return static_cast<int>(i);
  }
  return -1;  // more than 256 files at once: the rest is unguarded
}

std::string identity_of(const struct stat& status) {
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                     status.st_ctim.tv_nsec);
}

}  // namespace

void guard_mappings() {
  struct sigaction action = {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

std::string file_identity(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 ? identity_of(status) : "";
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not block
  if (!fd) return from_errno("open " + path);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat " + path);
  if (!S_ISREG(status.st_mode)) return Error{Code::MODEL, path + ": not a regular file"};
  if (status.st_size == 0) return Error{Code::MODEL, path + ": the file is empty"};

  MappedFile file;
  file.size_ = static_cast<std::size_t>(status.st_size);
  void* data = mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return from_errno("map " + path);
  file.data_ = static_cast<const std::byte*>(data);
  file.path_ = path;
  file.identity_ = identity_of(status);
  file.guard_slot_ = take_guard_slot(file.data_, file.size_);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(guard_slot_, other.guard_slot_);
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  return *this;
}

MappedFile::~MappedFile() {
  if (guard_slot_ >= 0) guard_slots[static_cast<std::size_t>(guard_slot_)].begin = 0;
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::is_settled() const {
  constexpr time_t kTimesAreCoarseSeconds = 2;
  struct stat status = {};
  if (stat(path_.c_str(), &status) != 0 || identity_of(status) != identity_) return false;
  return std::max(status.st_ctime, status.st_mtime) + kTimesAreCoarseSeconds < time(nullptr);
}

bool MappedFile::vanished() const {
  return guard_slot_ >= 0 && guard_slots[static_cast<std::size_t>(guard_slot_)].vanished.load();
}

void MappedFile::release(std::size_t offset, std::size_t size) const {
  const std::size_t page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t begin = (offset + page_size - 1) / page_size * page_size;
  const std::size_t end = (offset + size) / page_size * page_size;
  if (begin < end) madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace hearth
