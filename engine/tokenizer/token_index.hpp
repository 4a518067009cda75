// The tokenizers' hash tables: text -> token, and pair of symbols -> merge.
//
// Open addressing, at most half full; built once, then read by any number of threads.  Hashes are
// seeded at random per process, so that a model file cannot be written to collide.  The seed never
// shows in results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

// The rank of a pair that does not merge; every real rank is below it.
inline constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

// What becomes of two neighbours: the symbol of both, and when (lower ranks first).
struct Merge {
  std::uint32_t rank = kNoRank;
  std::uint32_t symbol = 0;
};

namespace token_hash {

std::uint64_t seed();  // the process's

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t of_text(std::string_view text, std::uint64_t seed);

inline std::uint64_t of_pair(std::uint32_t left, std::uint32_t right, std::uint64_t seed) {
  return fold((std::uint64_t{left} << 32 | right) ^ seed, 0x9E3779B97F4A7C15u);
}

}  // namespace token_hash

// Finds tokens by their text.
class TokenIndex {
 public:
  // texts must outlive the index and stay as they are.
  explicit TokenIndex(const std::vector<std::string>& texts);

  // Make texts[id] known.  Returns kNoToken, or the token that has this text already (it stays).
  TokenId insert(TokenId id);

  // The token with this text, or kNoToken.
  TokenId find(std::string_view text) const;

 private:
  struct Slot {
    std::uint32_t tag = 0;  // upper half of the text's hash
    TokenId id = kNoToken;  // kNoToken: the slot is empty
  };
  std::size_t find_slot(std::string_view text, std::uint64_t hash) const;

  const std::vector<std::string>& texts_;
  const std::uint64_t seed_;
  std::vector<Slot> slots_;  // a power of two
};

// Finds the merge of two neighbours by their symbols.
class PairTable {
 public:
  explicit PairTable(std::size_t pair_count);  // room for this many pairs

  // Returns false, and changes nothing, when the pair is known already.
  bool insert(std::uint32_t left, std::uint32_t right, Merge merge);

  // The pair's merge; rank kNoRank when it has none.
  Merge find(std::uint32_t left, std::uint32_t right) const {
    return slots_[find_slot(left, right)].merge;
  }

 private:
  struct Slot {
    std::uint32_t left = 0;
    std::uint32_t right = 0;
    Merge merge;  // rank kNoRank: the slot is empty
  };
  std::size_t find_slot(std::uint32_t left, std::uint32_t right) const {
    std::size_t at = token_hash::of_pair(left, right, seed_) & (slots_.size() - 1);
    while (slots_[at].merge.rank != kNoRank &&
           (slots_[at].left != left || slots_[at].right != right)) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }

  const std::uint64_t seed_;
  std::vector<Slot> slots_;  // a power of two
};

}  // namespace hearth
