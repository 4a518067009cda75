// Keys of pages and secrets of namespaces: BLAKE2b-256 through libsodium.
//
// A page's key is a hash, keyed with its namespace's secret, of its parent's key and its token ids:
// equal prompts of two namespaces have unrelated keys.  The hash only routes; token ids are
// compared on every hit.
//
// Pure functions: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "cache/segment_format.hpp"
#include "common/result.hpp"

namespace hearth::cache {

using NamespaceId = std::uint64_t;  // a uid, or from the name of a group of users

// Whose pages everybody finds: those of texts that the administrator has published.  No user's and
// no group's: a uid has 32 bits, a group's number the highest one.
inline constexpr NamespaceId kPublishedNamespace = NamespaceId{1} << 62;

// Hashes a stream of bytes.
class Hasher {
 public:
  explicit Hasher(std::span<const std::uint8_t> key = {});
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void update(std::span<const std::byte> bytes);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest hash(std::span<const std::byte> bytes, std::span<const std::uint8_t> key = {});

// A fresh random secret.
Digest random_secret();

// The secret of a namespace, derived from the daemon's master secret.
Digest namespace_secret(const Digest& master, NamespaceId id);

// The key that the first page of a sequence has as parent.
Digest root_key(const Digest& secret, const Digest& fingerprint, const Digest& adapter);

// The key of a page that holds these tokens after its parent.
Digest page_key(const Digest& secret, const Digest& parent, std::span<const std::int32_t> tokens);

}  // namespace hearth::cache
