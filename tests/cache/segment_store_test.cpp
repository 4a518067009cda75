// Goal: segments lie where nobody else can reach them, one daemon a state directory.
#include "cache/segment_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

namespace fs = std::filesystem;

TEST(segment_store, a_second_daemon_on_the_same_state_directory_is_refused) {
  const TemporaryDirectory root;
  const auto first = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(first);
  const auto second = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::INVALID_OPERATION);
}

TEST(segment_store, two_state_directories_share_nothing) {
  const TemporaryDirectory root;
  const auto a = SegmentStore::open(root.path() + "/a", root.path());
  const auto b = SegmentStore::open(root.path() + "/b", root.path());
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->directory(), b->directory());
}

TEST(segment_store, the_memory_directory_is_private) {
  const TemporaryDirectory root;
  const auto store = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(store);
  struct stat status = {};
  ASSERT_EQ(stat(store->directory().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(segment_store, a_directory_that_others_can_write_is_refused) {
  const TemporaryDirectory root;
  std::string directory;
  {
    const auto store = SegmentStore::open(root.path() + "/state", root.path());
    ASSERT_TRUE(store);
    directory = store->directory();
  }
  ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
  const auto again = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::STORAGE);
}

TEST(segment_store, a_link_in_place_of_the_directory_is_refused) {
  const TemporaryDirectory root;
  std::string directory;
  {
    const auto store = SegmentStore::open(root.path() + "/state", root.path());
    ASSERT_TRUE(store);
    directory = store->directory();
  }
  fs::remove(directory);
  fs::create_directory(root.path() + "/elsewhere");
  fs::create_directory_symlink(root.path() + "/elsewhere", directory);
  EXPECT_FALSE(SegmentStore::open(root.path() + "/state", root.path()));
}

TEST(segment_store, purge_removes_everything_and_can_be_repeated) {
  const TemporaryDirectory root;
  const std::string state = root.path() + "/state";
  std::string directory;
  {
    const auto store = SegmentStore::open(state, root.path());
    ASSERT_TRUE(store);
    directory = store->directory();
    ASSERT_TRUE(store->create("one", 4096));
    EXPECT_FALSE(SegmentStore::purge(state, root.path())) << "a daemon runs";
  }
  EXPECT_TRUE(fs::exists(directory + "/one"));
  const Status purged = SegmentStore::purge(state, root.path());
  ASSERT_TRUE(purged) << purged.error().message;
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_FALSE(fs::exists(state));
  EXPECT_TRUE(SegmentStore::purge(state, root.path()));
}

TEST(segment_store, purge_leaves_a_users_own_files_alone) {
  const TemporaryDirectory root;
  const std::string state = root.path() + "/state";
  { ASSERT_TRUE(SegmentStore::open(state, root.path())); }
  fs::create_directory(state + "/mine");
  ASSERT_TRUE(SegmentStore::purge(state, root.path()));
  EXPECT_TRUE(fs::exists(state + "/mine"));
}

}  // namespace
}  // namespace hearth::cache
