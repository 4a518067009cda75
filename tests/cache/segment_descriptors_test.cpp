// Goal: segments that the service manager keeps are found again by the next daemon, and a segment
// that is not complete never is.
//
// Method: a keeper that the test plays; for deaths, one in another process than the dying one.
#include "cache/segment_descriptors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "cache/crash_point.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

namespace fs = std::filesystem;

UniqueFd duplicate(int fd) {
  return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

// Keeps in memory, as long as the test runs.
class Keeper final : public DescriptorKeeper {
 public:
  void keep(const std::string& name, int fd) override {
    told.push_back("keep " + name);
    stored.push_back({name, duplicate(fd)});
  }
  void forget(const std::string& name) override {
    told.push_back("forget " + name);
    std::erase_if(stored, [&](const KeptDescriptor& one) { return one.name == name; });
  }
  // What the next daemon is given.
  std::vector<KeptDescriptor> handed() const {
    std::vector<KeptDescriptor> list;
    for (const KeptDescriptor& one : stored) list.push_back({one.name, duplicate(one.fd.get())});
    return list;
  }
  std::vector<KeptDescriptor> stored;
  std::vector<std::string> told;
};

class DescriptorStore : public testing::Test {
 protected:
  // What a daemon that starts has.
  Result<SegmentStore> open(StoreBackend backend, const std::string& memory_root) {
    return SegmentStore::open(state_, memory_root, {backend, &keeper_, keeper_.handed()});
  }
  Result<SegmentStore> open() { return open(StoreBackend::fdstore, root_.path()); }

  Result<std::unique_ptr<Segment>> open_segment(const SegmentStore& store) {
    return Segment::open(store, "kv", SmallCache::geometry(), SmallCache::capacity(7),
                         BudgetShare(&budget_));
  }
  // One page of a namespace, committed.
  static void commit_page(Segment& segment, const std::vector<std::int32_t>& tokens) {
    if (segment.backed_slots() == 0) {
      ASSERT_TRUE(segment.grow());
    }
    segment.begin_fill(0, 1000);
    std::memset(segment.payload(0), 0x5a, segment.payload_bytes());
    segment.commit(
        0,
        {.namespace_id = 1000, .key = {1}, .parent_key = {}, .first_token = 0, .tokens = tokens});
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root_.path())) {
      if (entry.path().filename().string().starts_with("kv")) names.push_back(entry.path());
    }
    return names;
  }

  TemporaryDirectory root_;
  const std::string state_ = root_.path() + "/state";
  Keeper keeper_;
  MemoryBudget budget_{UINT64_MAX >> 1};
};

TEST_F(DescriptorStore, a_segment_is_kept_once_it_has_its_name) {
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->directory(), "");
  ASSERT_TRUE(store->create("kv.new", 1 << 20));
  EXPECT_TRUE(keeper_.told.empty()) << "it is not complete";
  ASSERT_TRUE(store->rename("kv.new", "kv"));
  ASSERT_EQ(keeper_.stored.size(), 1u);
  EXPECT_TRUE(keeper_.stored[0].name.starts_with(kKeptPrefix));
  EXPECT_TRUE(keeper_.stored[0].name.ends_with(".kv")) << keeper_.stored[0].name;

  // Another in its place: never two of a name.
  const std::string name = keeper_.stored[0].name;
  ASSERT_TRUE(store->create("kv.new", 1 << 20));
  ASSERT_TRUE(store->rename("kv.new", "kv"));
  const std::vector<std::string> told = {"keep " + name, "forget " + name, "keep " + name};
  EXPECT_EQ(keeper_.told, told);
  EXPECT_EQ(keeper_.stored.size(), 1u);
  EXPECT_FALSE(store->rename("kv.new", "kv")) << "it has its name already";

  ASSERT_TRUE(store->rename("kv", "other"));
  ASSERT_EQ(keeper_.stored.size(), 1u);
  EXPECT_TRUE(keeper_.stored[0].name.ends_with(".other"));
  ASSERT_TRUE(store->remove("other"));
  EXPECT_TRUE(keeper_.stored.empty());
  EXPECT_TRUE(store->remove("other")) << "none there is not an error";
  EXPECT_TRUE(files().empty());
}

TEST_F(DescriptorStore, what_was_committed_is_there_for_the_next_daemon) {
  {
    const auto store = open();
    ASSERT_TRUE(store);
    auto segment = open_segment(*store);
    ASSERT_TRUE(segment) << segment.error().message;
    EXPECT_EQ((*segment)->recovery().cold, ColdReason::absent);
    commit_page(**segment, ids(1, 8));
    EXPECT_GT(store->kept_bytes("kv"), 0u);
  }
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_GT(store->kept_bytes("kv"), 0u);
  EXPECT_EQ(store->kept_bytes("none"), 0u);
  const auto segment = open_segment(*store);
  ASSERT_TRUE(segment) << segment.error().message;
  EXPECT_EQ((*segment)->recovery().cold, ColdReason::none);
  EXPECT_EQ((*segment)->recovery().kept, 1u);
  EXPECT_TRUE((*segment)->payload_intact(0));
  EXPECT_EQ((*segment)->tokens(0).size(), 8u);
}

// A file that shrinks or changes its owner under the mapping; nobody but us may read it.
TEST_F(DescriptorStore, a_segment_can_neither_shrink_nor_be_opened_by_others) {
  const auto store = open();
  ASSERT_TRUE(store);
  const auto fd = store->create("kv.new", 1 << 20);
  ASSERT_TRUE(fd);
  EXPECT_NE(ftruncate(fd->get(), 4096), 0);
  EXPECT_NE(ftruncate(fd->get(), 2 << 20), 0);
  struct stat status = {};
  ASSERT_EQ(fstat(fd->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 1 << 20);
}

TEST_F(DescriptorStore, what_is_no_segment_of_ours_is_never_mapped) {
  std::string name;
  {
    const auto store = open();
    ASSERT_TRUE(store && store->create("kv.new", 4096) && store->rename("kv.new", "kv"));
    name = keeper_.stored[0].name;
  }
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd unsealed(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fchmod(unsealed.get(), 0600), 0);
  const UniqueFd open_to_all(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fcntl(open_to_all.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  const std::string path = "/proc/self/fd/" + std::to_string(keeper_.stored[0].fd.get());
  const UniqueFd read_only(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(read_only);
  const UniqueFd writer(ends[1]);
  for (const int wrong : {writer.get(), unsealed.get(), open_to_all.get(), read_only.get()}) {
    keeper_.stored.clear();
    keeper_.stored.push_back({name, duplicate(wrong)});
    const auto store = open();
    ASSERT_TRUE(store);
    const auto opened = store->open_segment("kv");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::STORAGE);
    const auto segment = open_segment(*store);
    ASSERT_TRUE(segment) << segment.error().message;
    EXPECT_EQ((*segment)->recovery().cold, ColdReason::unreadable);
    EXPECT_EQ(keeper_.stored.size(), 1u) << "a new one took its place";
  }
}

TEST_F(DescriptorStore, of_two_of_a_name_none_is_believed) {
  {
    const auto store = open();
    ASSERT_TRUE(store && store->create("kv.new", 4096) && store->rename("kv.new", "kv"));
  }
  keeper_.stored.push_back({keeper_.stored[0].name, duplicate(keeper_.stored[0].fd.get())});
  const auto store = open();
  ASSERT_TRUE(store);
  const auto opened = store->open_segment("kv");
  ASSERT_TRUE(opened);
  EXPECT_FALSE(*opened);
  EXPECT_TRUE(keeper_.stored.empty());
}

TEST_F(DescriptorStore, what_nobody_names_is_given_up) {
  {
    const auto store = open();
    ASSERT_TRUE(store);
    for (const char* name : {"kv-1", "kv-2"}) {
      ASSERT_TRUE(store->create("fresh", 4096) && store->rename("fresh", name));
    }
  }
  const std::string of_another = std::string(kKeptPrefix) + "0-0123.kv-1";
  keeper_.stored.push_back({of_another, duplicate(keeper_.stored[0].fd.get())});
  const auto store = open();
  ASSERT_TRUE(store);
  const auto removed = store->keep_only({"kv-1"});
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, (std::vector<std::string>{of_another, "kv-2"}));
  ASSERT_EQ(keeper_.stored.size(), 1u);
  EXPECT_TRUE(keeper_.stored[0].name.ends_with(".kv-1"));
}

TEST_F(DescriptorStore, automatic_prefers_files_and_takes_the_keeper_where_they_are_impossible) {
  {
    const auto store = open(StoreBackend::automatic, root_.path() + "/none");
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(store->directory(), "");
    ASSERT_TRUE(open_segment(*store));
    EXPECT_EQ(keeper_.stored.size(), 1u);
  }
  EXPECT_FALSE(open(StoreBackend::shm, root_.path() + "/none"));
  EXPECT_FALSE(SegmentStore::open(state_, root_.path() + "/none")) << "there is no keeper";
  EXPECT_EQ(keeper_.stored.size(), 1u) << "what failed gave nothing up";
  {
    const auto store = open(StoreBackend::automatic, root_.path());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_NE(store->directory(), "");
    EXPECT_TRUE(keeper_.stored.empty()) << "nobody would find it there any more";
    ASSERT_TRUE(open_segment(*store));
    EXPECT_EQ(files().size(), 1u);
    // A living daemon's directory is no reason to go elsewhere.
    fs::remove_all(state_);
    const auto second = open(StoreBackend::automatic, root_.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::INVALID_OPERATION);
    const auto third = open(StoreBackend::fdstore, root_.path());
    ASSERT_TRUE(third);
    EXPECT_EQ(files().size(), 1u) << "and is not removed";
  }
  ASSERT_TRUE(open(StoreBackend::fdstore, root_.path()));
  EXPECT_TRUE(files().empty()) << "files that nobody would find any more";
}

TEST_F(DescriptorStore, without_a_keeper_it_is_a_wrong_setting) {
  const auto store = SegmentStore::open(state_, root_.path(), {StoreBackend::fdstore, nullptr, {}});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Code::CONFIG);
}

// Tells a keeper in another process, as the service manager is one: F or R and the name, with the
// descriptor.
class DistantKeeper final : public DescriptorKeeper {
 public:
  explicit DistantKeeper(int socket) : socket_(socket) {}
  void keep(const std::string& name, int fd) override { tell("K" + name, fd); }
  void forget(const std::string& name) override { tell("F" + name, -1); }

  // All that was told, to a keeper here.
  static void deliver(int socket, Keeper& keeper) {
    for (;;) {
      char text[256];
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
      iovec part = {text, sizeof(text)};
      msghdr message = {};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      const ssize_t size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (size <= 0) return;
      const std::string name(text + 1, static_cast<std::size_t>(size) - 1);
      if (text[0] == 'F') {
        keeper.forget(name);
        continue;
      }
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
      const UniqueFd received(fd);
      keeper.keep(name, received.get());
    }
  }

 private:
  void tell(const std::string& text, int fd) const {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part = {const_cast<char*>(text.data()), text.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(sizeof(fd));
      std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    }
    ASSERT_GT(sendmsg(socket_, &message, 0), 0);
  }
  const int socket_;
};

long crash_points_left = 0;
void count_down_and_die() {
  if (--crash_points_left == 0) kill(getpid(), SIGKILL);
}

// Wherever a daemon dies that makes a segment, or replaces one that it cannot use: what the next
// one is handed is whole, or nothing.
TEST_F(DescriptorStore, a_death_at_any_store_leaves_no_segment_or_a_whole_one) {
  int nothing = 0, whole = 0, old = 0;
  for (const bool replaces : {false, true}) {
    bool ended = false;
    for (long die_at = 1; !ended; ++die_at) {
      SCOPED_TRACE(testing::Message() << "replaces " << replaces << ", died at " << die_at);
      keeper_.stored.clear();
      if (replaces) {  // a page of another model
        const auto store = open();
        ASSERT_TRUE(store);
        auto other = SmallCache::geometry();
        other.fingerprint = {7};
        const auto segment =
            Segment::create(*store, "kv", other, SmallCache::capacity(7), BudgetShare(&budget_));
        ASSERT_TRUE(segment);
        commit_page(**segment, ids(9, 8));
      }
      int ends[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
      const UniqueFd here(ends[0]), there(ends[1]);
      const pid_t child = fork();
      if (child == 0) {
        DistantKeeper distant(there.get());
        const auto store = SegmentStore::open(state_, root_.path(),
                                              {StoreBackend::fdstore, &distant, keeper_.handed()});
        if (!store) _exit(1);
        crash_points_left = die_at;
        crash_hook = count_down_and_die;
        const auto segment = open_segment(*store);
        if (!segment) _exit(1);
        commit_page(**segment, ids(1, 8));
        _exit(0);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ended = WIFEXITED(status);
      EXPECT_TRUE(!ended || WEXITSTATUS(status) == 0);
      DistantKeeper::deliver(here.get(), keeper_);
      ASSERT_LE(keeper_.stored.size(), 1u);

      const auto store = open();
      ASSERT_TRUE(store);
      const bool kept = !keeper_.stored.empty();
      const auto segment = open_segment(*store);
      ASSERT_TRUE(segment) << segment.error().message;
      const Recovery& recovery = (*segment)->recovery();
      EXPECT_EQ(recovery.damaged, 0u);
      EXPECT_LE(recovery.kept, 1u);
      if (recovery.kept == 1) {
        EXPECT_TRUE((*segment)->payload_intact(0));
      }
      if (ended) {
        EXPECT_EQ(recovery.kept, 1u);
      }
      nothing += recovery.cold == ColdReason::absent;
      whole += recovery.cold == ColdReason::none;
      old += recovery.cold == ColdReason::fingerprint;
      EXPECT_EQ(kept, recovery.cold != ColdReason::absent);
      EXPECT_TRUE(recovery.cold == ColdReason::absent || recovery.cold == ColdReason::none ||
                  (replaces && recovery.cold == ColdReason::fingerprint))
          << cold_reason_words(recovery.cold);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(nothing, 1);
  EXPECT_GT(whole, 10);
  EXPECT_GT(old, 1);
}

}  // namespace
}  // namespace hearth::cache
