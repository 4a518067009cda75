// Goal: sessions are kept whole or as they were, each for its user; nothing of a file is used that
// was not written by us for that user.
#include "daemon/session_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "daemon/session_transfer.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

constexpr uid_t kAlice = 1000, kBob = 1001;

cache::Digest secret(std::uint8_t first) {
  cache::Digest digest = {};
  digest[0] = first;
  return digest;
}

KeptSession example() {
  return {.name = "fox", .model = "m", .created_s = 5, .used_s = 6, .ids = {1, 2, 3, 4, 5, 6, 7}};
}

// Three pages of two tokens, and what vouches for them.
std::vector<std::byte> with_pages(const KeptSession& session, const cache::Digest& key) {
  SessionPages pages;
  pages.geometry = {secret(9), /*kv_format=*/1, /*page_tokens=*/2, /*payload_bytes=*/4096};
  std::vector<std::byte> payloads(3 * 4096);
  std::mt19937 random(1);
  for (std::byte& byte : payloads) byte = static_cast<std::byte>(random());
  for (int i = 0; i < 3; ++i) pages.payloads.push_back(payloads.data() + i * 4096);
  std::vector<std::byte> bytes = encode_session(session, pages, key);
  const std::size_t head = bytes.size();
  bytes.resize(head + payloads.size());
  std::copy(payloads.begin(), payloads.end(), bytes.begin() + static_cast<std::ptrdiff_t>(head));
  return bytes;
}

TEST(session_file, what_was_written_is_read) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> bytes = with_pages(example(), key);
  const auto decoded = decode_session(bytes, key);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->session.name, "fox");
  EXPECT_EQ(decoded->session.model, "m");
  EXPECT_EQ(decoded->session.ids, example().ids);
  EXPECT_EQ(decoded->session.created_s, 5);
  EXPECT_EQ(decoded->session.used_s, 6);
  ASSERT_EQ(decoded->pages.payloads.size(), 3u);
  EXPECT_EQ(decoded->pages.geometry.page_tokens, 2u);
  EXPECT_EQ(decoded->pages.payloads[2], bytes.data() + bytes.size() - 4096);
}

TEST(session_file, any_bit_that_changed_is_noticed) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> good = with_pages(example(), key);
  const std::size_t head = sizeof(SessionHead) + 4 + 7 * 4 + 32;
  for (std::size_t at = 0; at < good.size(); at += at < head ? 1 : 97) {
    if (at >= head && at < 4096) continue;  // padding says nothing
    std::vector<std::byte> bad = good;
    bad[at] ^= static_cast<std::byte>(1u << at % 8);
    EXPECT_FALSE(decode_session(bad, key)) << "byte " << at;
  }
}

TEST(session_file, any_length_but_its_own_is_noticed) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> good = with_pages(example(), key);
  for (std::size_t size = 0; size < good.size(); size += size < 5000 ? 1 : 501) {
    EXPECT_FALSE(decode_session(std::span(good).first(size), key)) << size;
  }
  std::vector<std::byte> longer = good;
  longer.push_back({});
  EXPECT_FALSE(decode_session(longer, key));
}

TEST(session_file, another_users_and_another_daemons_are_refused) {
  const std::vector<std::byte> bytes =
      encode_session(example(), {}, session_key(secret(1), kAlice));
  EXPECT_TRUE(decode_session(bytes, session_key(secret(1), kAlice)));
  EXPECT_FALSE(decode_session(bytes, session_key(secret(1), kBob)));
  EXPECT_FALSE(decode_session(bytes, session_key(secret(2), kAlice)));
}

TEST(session_file, hostile_heads_end_in_an_error) {
  const cache::Digest key = session_key(secret(1), kAlice);
  std::mt19937 random(3);
  const std::vector<std::byte> good = with_pages(example(), key);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::byte> bytes = good;
    SessionHead head;
    std::memcpy(&head, bytes.data(), sizeof(head));
    auto* raw = reinterpret_cast<unsigned char*>(&head);
    for (int i = 0; i < 4; ++i) raw[8 + random() % 120] = static_cast<unsigned char>(random());
    std::memcpy(bytes.data(), &head, sizeof(head));
    EXPECT_FALSE(decode_session(bytes, key));
  }
}

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

// ---- Exports ----------------------------------------------------------------------------------

UniqueFd memfd_with(std::span<const std::byte> bytes, int seals) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}
constexpr int kSealed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

Status import(UniqueFd fd, SessionTransfer& transfer) {
  transfer.fd = std::move(fd);
  return read_import(transfer, session_key(secret(1), kAlice));
}

TEST(session_transfer, an_export_is_sealed_and_is_read_again) {
  SessionTransfer out;
  out.session = example();
  out.geometry = {secret(9), 1, 2, 4096};
  ASSERT_TRUE(begin_export(out));
  EXPECT_EQ(out.pages_offset, 4096u);
  const std::vector<std::byte> page(4096, std::byte{7});
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(pwrite(out.fd.get(), page.data(), page.size(),
                     static_cast<off_t>(out.pages_offset) + i * 4096),
              4096);
  }
  out.page_count = 3;
  ASSERT_TRUE(finish_export(out, session_key(secret(1), kAlice)));
  EXPECT_EQ(pwrite(out.fd.get(), page.data(), 1, 0), -1);
  EXPECT_EQ(ftruncate(out.fd.get(), 0), -1);
  SessionTransfer in;
  const Status read = import(std::move(out.fd), in);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(in.session.ids, example().ids);
  EXPECT_EQ(in.page_count, 3u);
  EXPECT_EQ(in.pages_offset, 4096u);
  EXPECT_EQ(in.geometry, out.geometry);
}

TEST(session_transfer, what_could_still_change_is_refused) {
  const std::vector<std::byte> bytes = with_pages(example(), session_key(secret(1), kAlice));
  SessionTransfer transfer;
  EXPECT_TRUE(import(memfd_with(bytes, kSealed), transfer));
  for (const int missing : {F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK}) {
    const Status read = import(memfd_with(bytes, kSealed & ~missing), transfer);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::INVALID);
  }
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/file";
  EXPECT_EQ(import(UniqueFd(open(path.c_str(), O_RDWR | O_CREAT, 0600)), transfer).error().code,
            Code::INVALID);
  EXPECT_EQ(import(UniqueFd(open("/dev/null", O_RDONLY)), transfer).error().code, Code::INVALID);
  EXPECT_EQ(import(memfd_with({}, kSealed), transfer).error().code, Code::STORAGE);
  EXPECT_EQ(import(memfd_with(std::vector<std::byte>(9999), kSealed), transfer).error().code,
            Code::STORAGE);
}

}  // namespace
}  // namespace hearth
