// A trie over bytes: which of many texts begin at a place.
//
// Built once, then read by any number of threads.  Edges lie in one hash table with a seed of the
// process, so that a model file can neither make nodes large nor edges collide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

class ByteTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = 0xFFFFFFFF;

  ByteTrie();

  // The first token with a text stays; an empty text is not added.  Throws nothing but
  // std::bad_alloc: the texts of a vocabulary are bounded by its file.
  void add(std::string_view text, TokenId id);

  // The node behind node's edge, or kNowhere.
  Node child(Node node, unsigned char byte) const {
    for (std::size_t at = slot_of(node, byte);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.to == kNowhere || slot.key == key_of(node, byte)) return slot.to;
    }
  }
  Node child(Node node, char byte) const { return child(node, static_cast<unsigned char>(byte)); }

  // The token whose text leads to node, or kNoToken.
  TokenId token(Node node) const { return tokens_[node]; }
  std::size_t size() const { return tokens_.size(); }  // nodes, the root included

  // Visit (parent, byte, node) of every edge, in no order.
  template <class Visit>
  void each_edge(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.to != kNowhere) {
        visit(static_cast<Node>(slot.key >> 8), static_cast<unsigned char>(slot.key), slot.to);
      }
    }
  }

 private:
  struct Slot {
    std::uint64_t key = 0;  // node << 8 | byte
    Node to = kNowhere;     // kNowhere: the slot is empty
  };
  static std::uint64_t key_of(Node node, unsigned char byte) {
    return std::uint64_t{node} << 8 | byte;
  }
  std::size_t slot_of(Node node, unsigned char byte) const;
  void grow();

  const std::uint64_t seed_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  std::vector<TokenId> tokens_;
};

}  // namespace hearth
