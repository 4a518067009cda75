// Goal: a session's bytes are used whole, by whom they were written for, or not at all; an export
// brings pages and checkpoints, one of an earlier daemon its pages.
// Method: bytes that are changed, cut, and signed though they make no sense.
#include "daemon/session_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <random>

#include "common/checked.hpp"
#include "daemon/session_transfer.hpp"
#include "tests/daemon/session_testing.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

KeptSession example() {
  return {.name = "fox", .model = "m", .created_s = 5, .used_s = 6, .ids = {1, 2, 3, 4, 5, 6, 7}};
}

constexpr std::uint64_t kPageBytes = 4096, kStateBytes = 100;
constexpr std::uint64_t kContentsBytes = 3 * kPageBytes + 2 * (kStateBytes + kPageBytes);

// Three pages of two tokens, and checkpoints at two positions.
SessionContents example_contents() {
  return {.geometry = {secret(9), /*kv_format=*/1, /*page_tokens=*/2, kPageBytes},
          .page_count = 3,
          .checkpoints = {.state_bytes = kStateBytes, .count = 2, .positions = {7, 4}}};
}

std::vector<std::byte> noise(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::mt19937 random(1);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// An export of them, and what vouches for it.
std::vector<std::byte> with_contents(const KeptSession& session, const cache::Digest& key) {
  const std::vector<std::byte> rest = noise(kContentsBytes);
  SessionContents contents = example_contents();
  contents.bytes = rest;
  std::vector<std::byte> bytes = encode_export(session, contents, key);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

// Bytes as anybody who has the key could sign them, whatever they say; rest: what follows the MAC.
std::vector<std::byte> signed_bytes(SessionHead head, const FileCheckpoints* checkpoints,
                                    const KeptSession& session, std::span<const std::byte> rest,
                                    const cache::Digest& key) {
  std::memcpy(head.magic, "HEARTHSN", sizeof(head.magic));
  head.version = checkpoints == nullptr ? 1 : 2;
  head.token_count = static_cast<std::uint32_t>(session.ids.size());
  head.model_size = static_cast<std::uint16_t>(session.model.size());
  head.name_size = static_cast<std::uint16_t>(session.name.size());
  head.contents_hash = cache::hash(rest);
  std::vector<std::byte> bytes;
  const auto put = [&bytes](const void* part, std::size_t size) {
    const std::size_t at = bytes.size();
    bytes.resize(at + size);
    std::memcpy(bytes.data() + at, part, size);
  };
  put(&head, sizeof(head));
  if (checkpoints != nullptr) put(checkpoints, sizeof(*checkpoints));
  put(session.model.data(), session.model.size());
  put(session.name.data(), session.name.size());
  put(session.ids.data(), session.ids.size() * sizeof(TokenId));
  const cache::Digest mac = cache::hash(bytes, key);
  put(mac.data(), mac.size());
  bytes.resize(align_up(bytes.size(), kSessionPagesAlignment));
  put(rest.data(), rest.size());
  return bytes;
}

SessionHead example_head() {
  SessionHead head = {};
  head.fingerprint = secret(9);
  head.kv_format = 1;
  head.page_tokens = 2;
  head.payload_bytes = kPageBytes;
  head.page_count = 3;
  return head;
}

TEST(session_file, what_was_written_is_read) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> bytes = with_contents(example(), key);
  const auto decoded = decode_session(bytes, key);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->session.name, "fox");
  EXPECT_EQ(decoded->session.model, "m");
  EXPECT_EQ(decoded->session.ids, example().ids);
  EXPECT_EQ(decoded->session.created_s, 5);
  EXPECT_EQ(decoded->session.used_s, 6);
  const SessionContents& contents = decoded->contents;
  EXPECT_EQ(contents.page_count, 3u);
  EXPECT_EQ(contents.geometry, example_contents().geometry);
  EXPECT_EQ(contents.checkpoints.state_bytes, kStateBytes);
  EXPECT_EQ(contents.checkpoints.count, 2u);
  EXPECT_EQ(contents.checkpoints.positions[0], 7u);
  EXPECT_EQ(contents.checkpoints.positions[1], 4u);
  EXPECT_EQ(contents.bytes.size(), kContentsBytes);
  EXPECT_EQ(contents.bytes.data(), bytes.data() + 4096);
}

TEST(session_file, an_export_without_contents_is_read) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> bytes = encode_export(example(), {}, key);
  EXPECT_LT(bytes.size(), 4096u);
  const auto decoded = decode_session(bytes, key);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->session.ids, example().ids);
  EXPECT_TRUE(decoded->contents.empty());
}

TEST(session_file, an_export_of_version_1_is_read) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> pages = noise(3 * kPageBytes);
  const std::vector<std::byte> bytes =
      signed_bytes(example_head(), /*checkpoints=*/nullptr, example(), pages, key);
  const auto decoded = decode_session(bytes, key);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->session.ids, example().ids);
  EXPECT_EQ(decoded->contents.page_count, 3u);
  EXPECT_EQ(decoded->contents.checkpoints.count, 0u);
  EXPECT_EQ(decoded->contents.bytes.size(), pages.size());
}

// What no daemon writes: who has the key, or a daemon with a fault, gets no further than here.
TEST(session_file, signed_nonsense_is_refused) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> rest = noise(kContentsBytes);
  const auto decodes = [&](const std::function<void(SessionHead&, FileCheckpoints&)>& change) {
    SessionHead head = example_head();
    FileCheckpoints checkpoints = example_contents().checkpoints;
    change(head, checkpoints);
    return static_cast<bool>(
        decode_session(signed_bytes(head, &checkpoints, example(), rest, key), key));
  };
  EXPECT_TRUE(decodes([](SessionHead&, FileCheckpoints&) {}));
  const std::vector<std::function<void(SessionHead&, FileCheckpoints&)>> changes = {
      [](SessionHead&, FileCheckpoints& c) { c.count = 3; },
      [](SessionHead&, FileCheckpoints& c) { c.count = FileCheckpoints::kCountMax + 1; },
      [](SessionHead&, FileCheckpoints& c) { c.count = UINT32_MAX; },
      [](SessionHead&, FileCheckpoints& c) { c.count = 1; },
      [](SessionHead&, FileCheckpoints& c) { c.reserved = 1; },
      [](SessionHead&, FileCheckpoints& c) { c.state_bytes = 0; },
      [](SessionHead&, FileCheckpoints& c) { c.state_bytes += 1; },
      [](SessionHead&, FileCheckpoints& c) { c.state_bytes = UINT64_MAX; },
      // Two of them are as large as these, where products are cut to 64 bits.
      [](SessionHead&, FileCheckpoints& c) { c.state_bytes = kStateBytes + (1ull << 63); },
      [](SessionHead&, FileCheckpoints& c) { c.positions[0] = 8; },
      [](SessionHead&, FileCheckpoints& c) { c.positions[0] = 4; },
      [](SessionHead&, FileCheckpoints& c) { c.positions[1] = 0; },
      [](SessionHead&, FileCheckpoints& c) { c.positions[7] = 1; },
      [](SessionHead& h, FileCheckpoints&) { h.page_count = 2; },
      [](SessionHead& h, FileCheckpoints&) { h.page_count = 0; },
      [](SessionHead& h, FileCheckpoints&) { h.page_count = UINT64_MAX / kPageBytes; },
      [](SessionHead& h, FileCheckpoints&) { h.page_tokens = 0; },
      [](SessionHead& h, FileCheckpoints&) { h.page_tokens = 3; },
      [](SessionHead& h, FileCheckpoints&) { h.payload_bytes = 0; },
      [](SessionHead& h, FileCheckpoints&) { h.payload_bytes = UINT64_MAX; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) EXPECT_FALSE(decodes(changes[i])) << i;
}

// The same at random: what is read can be used as it is.
TEST(session_file, signed_noise_is_refused_or_makes_sense) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> rest = noise(kContentsBytes);
  constexpr std::uint8_t kBytes[] = {0, 1, 2, 3, 7, 8, 100, 0x7f, 0x80, 0xff};
  std::mt19937 random(5);
  int read = 0;
  for (int round = 0; round < 3000; ++round) {
    SessionHead head = example_head();
    FileCheckpoints checkpoints = example_contents().checkpoints;
    for (unsigned i = 0, count = random() % 3; i < count; ++i) {
      // From kv_format to page_count, and all of the other.
      const bool in_head = random() % 2 == 0;
      auto* bytes = in_head
                        ? reinterpret_cast<std::uint8_t*>(&head) + offsetof(SessionHead, kv_format)
                        : reinterpret_cast<std::uint8_t*>(&checkpoints);
      bytes[random() % (in_head ? 24 : sizeof(checkpoints))] = kBytes[random() % 10];
    }
    const std::vector<std::byte> bytes = signed_bytes(head, &checkpoints, example(), rest, key);
    const auto decoded = decode_session(bytes, key);
    if (!decoded) continue;
    ++read;
    const SessionContents& contents = decoded->contents;
    ASSERT_EQ(contents.size(), contents.bytes.size());
    ASSERT_EQ(contents.bytes.data() + contents.bytes.size(), bytes.data() + bytes.size());
    ASSERT_LE(contents.page_count * contents.geometry.page_tokens, example().ids.size());
    ASSERT_LE(contents.checkpoints.count, FileCheckpoints::kCountMax);
    std::uint32_t before = 8;
    for (std::uint32_t i = 0; i < contents.checkpoints.count; ++i) {
      const std::uint32_t position = contents.checkpoints.positions[i];
      ASSERT_TRUE(position > 0 && position < before);
      ASSERT_LE((position - 1) / contents.geometry.page_tokens, contents.page_count);
      before = position;
    }
  }
  EXPECT_GT(read, 1000);
  EXPECT_LT(read, 3000);
}

TEST(session_file, any_bit_that_changed_is_noticed) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> good = with_contents(example(), key);
  const std::size_t head = sizeof(SessionHead) + sizeof(FileCheckpoints) + 4 + 7 * 4 + 32;
  for (std::size_t at = 0; at < good.size(); at += at < head ? 1 : 97) {
    if (at >= head && at < 4096) continue;  // padding says nothing
    std::vector<std::byte> bad = good;
    bad[at] ^= static_cast<std::byte>(1u << at % 8);
    EXPECT_FALSE(decode_session(bad, key)) << "byte " << at;
  }
}

TEST(session_file, any_length_but_its_own_is_noticed) {
  const cache::Digest key = session_key(secret(1), kAlice);
  const std::vector<std::byte> good = with_contents(example(), key);
  for (std::size_t size = 0; size < good.size(); size += size < 5000 ? 1 : 501) {
    EXPECT_FALSE(decode_session(std::span(good).first(size), key)) << size;
  }
  std::vector<std::byte> longer = good;
  longer.push_back({});
  EXPECT_FALSE(decode_session(longer, key));
}

TEST(session_file, another_users_and_another_daemons_are_refused) {
  const std::vector<std::byte> bytes = encode_session(example(), session_key(secret(1), kAlice));
  EXPECT_TRUE(decode_session(bytes, session_key(secret(1), kAlice)));
  EXPECT_FALSE(decode_session(bytes, session_key(secret(1), kBob)));
  EXPECT_FALSE(decode_session(bytes, session_key(secret(2), kAlice)));
}

TEST(session_file, hostile_heads_end_in_an_error) {
  const cache::Digest key = session_key(secret(1), kAlice);
  std::mt19937 random(3);
  const std::vector<std::byte> good = with_contents(example(), key);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::byte> bytes = good;
    for (int i = 0; i < 4; ++i) {
      bytes[8 + random() % (sizeof(SessionHead) - 8 + sizeof(FileCheckpoints))] =
          static_cast<std::byte>(random());
    }
    EXPECT_FALSE(decode_session(bytes, key));
  }
}

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

// As the engine leaves it: behind what is told there may be the begin of another checkpoint.
TEST(session_transfer, an_export_is_sealed_and_is_read_again) {
  for (const std::size_t more : {0, 50}) {
    SessionTransfer out;
    out.session = example();
    ASSERT_TRUE(begin_export(out));
    EXPECT_EQ(out.offset, 4096u);
    const std::vector<std::byte> written = noise(kContentsBytes + more);
    ASSERT_EQ(pwrite(out.fd.get(), written.data(), written.size(), 4096),
              static_cast<ssize_t>(written.size()));
    out.contents = example_contents();
    ASSERT_TRUE(finish_export(out, session_key(secret(1), kAlice)));
    EXPECT_EQ(pwrite(out.fd.get(), written.data(), 1, 0), -1);
    EXPECT_EQ(ftruncate(out.fd.get(), 0), -1);
    EXPECT_EQ(lseek(out.fd.get(), 0, SEEK_END), static_cast<off_t>(4096 + kContentsBytes));
    SessionTransfer in;
    const Status read = import(std::move(out.fd), in);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(in.session.ids, example().ids);
    EXPECT_EQ(in.offset, 4096u);
    EXPECT_EQ(in.contents.geometry, out.contents.geometry);
    EXPECT_EQ(in.contents.page_count, 3u);
    EXPECT_EQ(in.contents.checkpoints.count, 2u);
    EXPECT_EQ(in.contents.size(), kContentsBytes);
  }
}

// Whatever its length is, its contents begin where the engine put them.
TEST(session_transfer, an_export_of_any_length_is_read_again) {
  for (std::size_t tokens = 950; tokens < 1050; ++tokens) {
    SessionTransfer out;
    out.session = example();
    out.session.ids.assign(tokens, 1);
    ASSERT_TRUE(begin_export(out));
    const std::vector<std::byte> written = noise(kContentsBytes);
    ASSERT_EQ(pwrite(out.fd.get(), written.data(), written.size(), static_cast<off_t>(out.offset)),
              static_cast<ssize_t>(written.size()));
    out.contents = example_contents();
    ASSERT_TRUE(finish_export(out, session_key(secret(1), kAlice)));
    SessionTransfer in;
    const Status read = import(std::move(out.fd), in);
    ASSERT_TRUE(read) << tokens << ": " << read.error().message;
    EXPECT_EQ(in.offset, out.offset);
  }
}

TEST(session_transfer, an_export_of_nothing_that_is_cached_is_read_again) {
  SessionTransfer out, in;
  out.session = example();
  ASSERT_TRUE(begin_export(out));
  ASSERT_TRUE(finish_export(out, session_key(secret(1), kAlice)));
  const Status read = import(std::move(out.fd), in);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(in.session.ids, example().ids);
  EXPECT_TRUE(in.contents.empty());
}

TEST(session_transfer, what_could_still_change_is_refused) {
  const std::vector<std::byte> bytes = with_contents(example(), session_key(secret(1), kAlice));
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
