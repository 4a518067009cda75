// See token_index.hpp.
#include "engine/tokenizer/token_index.hpp"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

namespace hearth {
namespace {

constexpr std::uint64_t kOdd = 0xD6E8FEB86659FD93u;

std::size_t table_size(std::size_t count) {
  return std::bit_ceil(std::max<std::size_t>(count, 8) * 2);
}

template <class T>
std::uint64_t load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

}  // namespace

namespace token_hash {

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    std::uint64_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random)) {
      random =
          static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return fold(random ^ kOdd, 0x9E3779B97F4A7C15u);
  }();
  return value;
}

std::uint64_t of_text(std::string_view text, std::uint64_t seed) {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t hash = fold(seed ^ left, kOdd);
  for (; left > 8; left -= 8, at += 8) hash = fold(load<std::uint64_t>(at) ^ hash, kOdd);
  std::uint64_t last = 0;
  if (left >= 4) {
    last = load<std::uint32_t>(at) | load<std::uint32_t>(at + left - 4) << 32;
  } else if (left > 0) {
    last = load<std::uint8_t>(at) | load<std::uint8_t>(at + left / 2) << 8 |
           load<std::uint8_t>(at + left - 1) << 16;
  }
  return fold(last ^ hash, seed | 1);
}

}  // namespace token_hash

TokenIndex::TokenIndex(const std::vector<std::string>& texts)
    : texts_(texts), seed_(token_hash::seed()), slots_(table_size(texts.size())) {}

std::size_t TokenIndex::find_slot(std::string_view text, std::uint64_t hash) const {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id != kNoToken &&
         (slots_[at].tag != tag || texts_[static_cast<std::size_t>(slots_[at].id)] != text)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

TokenId TokenIndex::insert(TokenId id) {
  const std::string& text = texts_[static_cast<std::size_t>(id)];
  const std::uint64_t hash = token_hash::of_text(text, seed_);
  Slot& slot = slots_[find_slot(text, hash)];
  if (slot.id != kNoToken) return slot.id;
  slot = {static_cast<std::uint32_t>(hash >> 32), id};
  return kNoToken;
}

TokenId TokenIndex::find(std::string_view text) const {
  return slots_[find_slot(text, token_hash::of_text(text, seed_))].id;
}

PairTable::PairTable(std::size_t pair_count)
    : seed_(token_hash::seed()), slots_(table_size(pair_count)) {}

bool PairTable::insert(std::uint32_t left, std::uint32_t right, Merge merge) {
  Slot& slot = slots_[find_slot(left, right)];
  if (slot.merge.rank != kNoRank) return false;
  slot = {left, right, merge};
  return true;
}

}  // namespace hearth
