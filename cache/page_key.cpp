// See page_key.hpp.
#include "cache/page_key.hpp"

#include <sodium.h>

#include <cassert>
#include <cstring>
#include <string_view>

namespace hearth::cache {

static_assert(sizeof(Digest) == crypto_generichash_BYTES);

struct Hasher::State {
  crypto_generichash_state sodium;
};

Hasher::Hasher(std::span<const std::uint8_t> key) : state_(std::make_unique<State>()) {
  const int failed = crypto_generichash_init(&state_->sodium, key.empty() ? nullptr : key.data(),
                                             key.size(), sizeof(Digest));
  assert(failed == 0);
  (void)failed;
}

Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::byte> bytes) {
  crypto_generichash_update(&state_->sodium, reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size());
}

Digest Hasher::finish() {
  Digest digest;
  crypto_generichash_final(&state_->sodium, digest.data(), digest.size());
  return digest;
}

Digest hash(std::span<const std::byte> bytes, std::span<const std::uint8_t> key) {
  Digest digest;
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     key.empty() ? nullptr : key.data(), key.size());
  return digest;
}

Digest random_secret() {
  const int failed = sodium_init();  // idempotent; seeds the random generator
  assert(failed >= 0);
  (void)failed;
  Digest secret;
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

Digest namespace_secret(const Digest& master, NamespaceId id) {
  constexpr std::string_view kPurpose = "hearth namespace secret 1";
  std::array<std::byte, kPurpose.size() + sizeof(id)> text;
  std::memcpy(text.data(), kPurpose.data(), kPurpose.size());
  std::memcpy(text.data() + kPurpose.size(), &id, sizeof(id));
  return hash(text, master);
}

Digest root_key(const Digest& secret, const Digest& fingerprint, const Digest& adapter) {
  std::array<Digest, 2> parts = {fingerprint, adapter};
  return hash(std::as_bytes(std::span(parts)), secret);
}

Digest page_key(const Digest& secret, const Digest& parent, std::span<const std::int32_t> tokens) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, secret.data(), secret.size(), sizeof(Digest));
  crypto_generichash_update(&state, parent.data(), parent.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(tokens.data()),
                            tokens.size_bytes());
  Digest digest;
  crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

}  // namespace hearth::cache
