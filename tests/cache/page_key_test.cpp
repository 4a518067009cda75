// Goal: keys tell namespaces, models and tokens apart, and are the hash they are said to be.
#include "cache/page_key.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace hearth::cache {
namespace {

constexpr std::int32_t kTokens[] = {1, 2, 3};

TEST(page_key, equal_tokens_of_two_namespaces_have_unrelated_keys) {
  const Digest master = {7};
  const Digest a = namespace_secret(master, 1000);
  const Digest b = namespace_secret(master, 1001);
  EXPECT_NE(a, b);
  EXPECT_NE(root_key(a, {}, {}), root_key(b, {}, {}));
  EXPECT_NE(page_key(a, {}, kTokens), page_key(b, {}, kTokens));
}

TEST(page_key, depends_on_parent_tokens_and_model) {
  const Digest secret = {1};
  const Digest key = page_key(secret, {}, kTokens);
  EXPECT_EQ(key, page_key(secret, {}, kTokens));
  EXPECT_NE(key, page_key(secret, {1}, kTokens));
  EXPECT_NE(key, page_key(secret, {}, std::span(kTokens).first(2)));
  EXPECT_NE(root_key(secret, {1}, {}), root_key(secret, {2}, {}));
  EXPECT_NE(root_key(secret, {1}, {}), root_key(secret, {1}, {2}));
}

// The oracle is RFC 7693's example: BLAKE2b needs no key, 32 bytes of output for "abc".
TEST(page_key, hash_is_blake2b_256) {
  const char text[] = {'a', 'b', 'c'};
  const Digest digest = hash(std::as_bytes(std::span(text)));
  const std::uint8_t wanted[32] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                   0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                   0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
  EXPECT_EQ(std::memcmp(digest.data(), wanted, sizeof(wanted)), 0);
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(text).first(1)));
  hasher.update(std::as_bytes(std::span(text).subspan(1)));
  EXPECT_EQ(hasher.finish(), digest);
}

}  // namespace
}  // namespace hearth::cache
