// Goal: sessions are kept whole or as they were, each for its user; nothing of a file is used that
// was not written by us for that user.
#include "daemon/session_store.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/daemon/session_testing.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

class SessionStoreTest : public testing::Test {
 protected:
  SessionStoreTest() { reopen(); }
  void reopen() {
    store_ = std::make_unique<SessionStore>();
    const Status opened = store_->open(path(), secret(1));
    ASSERT_TRUE(opened) << opened.error().message;
  }
  std::string path() const { return directory_.path() + "/sessions"; }
  std::vector<TokenId> ids_of(uid_t uid, const std::string& name) const {
    const auto found = store_->find(uid, name);
    return found ? (*found)->ids : std::vector<TokenId>{-1};
  }
  // A turn from begin to end.
  Status extend(uid_t uid, const std::string& name, std::vector<TokenId> ids) {
    HEARTH_CHECK(store_->begin_turn(uid, name, "m"));
    return store_->end_turn(uid, name, std::move(ids));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<SessionStore> store_;
};

TEST_F(SessionStoreTest, keeps_sessions_over_a_restart) {
  ASSERT_TRUE(store_->create(kAlice, "fox", "m"));
  ASSERT_TRUE(extend(kAlice, "fox", {1, 2, 3}));
  const auto anonymous = store_->fork(kAlice, "fox", "");
  ASSERT_TRUE(anonymous);
  const std::string name = (*anonymous)->name;
  EXPECT_EQ(name.front(), '~');
  ASSERT_TRUE(store_->roll_back(kAlice, "fox", 1));
  reopen();
  EXPECT_EQ(ids_of(kAlice, "fox"), (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(ids_of(kAlice, name), (std::vector<TokenId>{1, 2, 3}));
  EXPECT_TRUE((*store_->find(kAlice, name))->anonymous);
  ASSERT_TRUE(store_->destroy(kAlice, "fox"));
  reopen();
  EXPECT_FALSE(store_->find(kAlice, "fox"));
}

TEST_F(SessionStoreTest, users_have_their_own) {
  ASSERT_TRUE(store_->create(kAlice, "fox", "m", {1}));
  EXPECT_EQ(store_->find(kBob, "fox").error().code, Code::NOT_FOUND);
  EXPECT_EQ(store_->destroy(kBob, "fox").error().code, Code::NOT_FOUND);
  EXPECT_EQ(store_->fork(kBob, "fox", "mine").error().code, Code::NOT_FOUND);
  ASSERT_TRUE(store_->create(kBob, "fox", "m", {2}));
  // A file that was put where it does not belong.
  std::filesystem::copy_file(path() + "/1000/fox", path() + "/1001/stolen");
  std::filesystem::copy_file(path() + "/1000/fox", path() + "/1000/renamed");
  reopen();
  EXPECT_EQ(ids_of(kAlice, "fox"), std::vector<TokenId>{1});
  EXPECT_EQ(ids_of(kBob, "fox"), std::vector<TokenId>{2});
  EXPECT_FALSE(store_->find(kBob, "stolen"));
  EXPECT_FALSE(store_->find(kAlice, "renamed"));
}

TEST_F(SessionStoreTest, names_cannot_leave_their_directory) {
  for (const std::string name : {"..", ".x", "a/b", "~a", "a b", "\n", "\xc3\xa4"}) {
    EXPECT_EQ(store_->create(kAlice, name, "m").error().code, Code::INVALID) << name;
  }
  EXPECT_EQ(store_->create(kAlice, std::string(65, 'a'), "m").error().code, Code::INVALID);
  EXPECT_TRUE(store_->create(kAlice, std::string(64, 'a'), "m"));
}

TEST_F(SessionStoreTest, a_turn_keeps_others_away_and_ends_whole) {
  ASSERT_TRUE(store_->create(kAlice, "fox", "m", {1}));
  ASSERT_TRUE(store_->begin_turn(kAlice, "fox", "m"));
  EXPECT_TRUE(store_->has_turn(kAlice, "fox"));
  EXPECT_EQ(store_->begin_turn(kAlice, "fox", "m").error().code, Code::SESSION);
  EXPECT_EQ(store_->roll_back(kAlice, "fox", 1).error().code, Code::SESSION);
  EXPECT_EQ(store_->destroy(kAlice, "fox").error().code, Code::SESSION);
  EXPECT_TRUE(store_->fork(kAlice, "fox", "twin"));  // from what it was
  store_->drop_turn(kAlice, "fox");
  EXPECT_EQ(ids_of(kAlice, "fox"), std::vector<TokenId>{1});
  EXPECT_EQ(store_->begin_turn(kAlice, "fox", "other").error().code, Code::SESSION);
  ASSERT_TRUE(extend(kAlice, "fox", {1, 2}));
  EXPECT_EQ(ids_of(kAlice, "fox"), (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(ids_of(kAlice, "twin"), std::vector<TokenId>{1});
  EXPECT_EQ(store_->roll_back(kAlice, "fox", 3).error().code, Code::INVALID);
  EXPECT_EQ(store_->roll_back(kAlice, "fox", -1).error().code, Code::INVALID);
}

TEST_F(SessionStoreTest, what_cannot_be_kept_stays_as_it_was) {
  ASSERT_TRUE(store_->create(kAlice, "fox", "m", {1}));
  // The directory goes away, and something else takes its place.
  std::filesystem::rename(path() + "/1000", path() + "/away");
  std::ofstream(path() + "/1000") << "no directory";
  EXPECT_EQ(extend(kAlice, "fox", {1, 2}).error().code, Code::STORAGE);
  EXPECT_EQ(ids_of(kAlice, "fox"), std::vector<TokenId>{1});
  EXPECT_FALSE(store_->has_turn(kAlice, "fox"));
  EXPECT_EQ(store_->create(kAlice, "new", "m").error().code, Code::STORAGE);
  EXPECT_FALSE(store_->find(kAlice, "new"));
  std::filesystem::remove(path() + "/1000");
  std::filesystem::rename(path() + "/away", path() + "/1000");
  EXPECT_TRUE(extend(kAlice, "fox", {1, 2}));
}

TEST_F(SessionStoreTest, what_a_death_or_a_fault_leaves_is_passed_over) {
  ASSERT_TRUE(store_->create(kAlice, "fox", "m", {1}));
  ASSERT_TRUE(store_->create(kAlice, "cut", "m", {1}));
  std::filesystem::copy_file(path() + "/1000/fox", path() + "/1000/fox.new~");
  std::filesystem::resize_file(path() + "/1000/cut", 100);
  std::filesystem::create_directory(path() + "/1000/directory");
  ASSERT_EQ(mkfifo((path() + "/1000/pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/zero", path() + "/1000/link");
  std::filesystem::create_directory(path() + "/nobody");
  reopen();
  std::size_t count = 0;
  store_->each(kAlice, [&](const KeptSession&) { ++count; });
  EXPECT_EQ(count, 1u);
  EXPECT_FALSE(std::filesystem::exists(path() + "/1000/fox.new~"));
  EXPECT_TRUE(std::filesystem::exists(path() + "/1000/cut"));
}

TEST_F(SessionStoreTest, anonymous_ones_make_room_and_named_ones_do_not) {
  const std::string first = (*store_->create(kAlice, "", "m"))->name;
  for (std::size_t i = 1; i < SessionStore::kPerUserMax; ++i) {
    ASSERT_TRUE(store_->create(kAlice, fmt::format("s{}", i), "m"));
  }
  ASSERT_TRUE(store_->create(kAlice, "more", "m"));
  EXPECT_FALSE(store_->find(kAlice, first));
  EXPECT_EQ(store_->create(kAlice, "", "m").error().code, Code::LIMIT);
  EXPECT_TRUE(store_->create(kBob, "", "m"));
}

TEST_F(SessionStoreTest, a_user_keeps_so_many_tokens) {
  const std::vector<TokenId> many(kSessionTokensMax, 1);
  const std::size_t fit = SessionStore::kTokensPerUserMax / many.size();
  for (std::size_t i = 0; i < fit; ++i) {
    ASSERT_TRUE(store_->create(kAlice, fmt::format("s{}", i), "m", many));
  }
  EXPECT_EQ(store_->create(kAlice, "more", "m", {1}).error().code, Code::LIMIT);
  EXPECT_TRUE(store_->create(kAlice, "empty", "m"));
  EXPECT_EQ(extend(kAlice, "empty", {1}).error().code, Code::LIMIT);
  EXPECT_TRUE(store_->roll_back(kAlice, "s0", 1));
  EXPECT_TRUE(extend(kAlice, "empty", {1}));
}

}  // namespace
}  // namespace hearth
