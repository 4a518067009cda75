// Open addressing; the number of a node is the order in which it came.
#include "engine/tokenizer/byte_trie.hpp"

#include <utility>

#include "engine/tokenizer/token_index.hpp"

namespace hearth {

ByteTrie::ByteTrie() : seed_(token_hash::seed()), slots_(64), tokens_{kNoToken} {}

std::size_t ByteTrie::slot_of(Node node, unsigned char byte) const {
  return token_hash::fold(key_of(node, byte) ^ seed_, 0x9E3779B97F4A7C15u) & (slots_.size() - 1);
}

void ByteTrie::grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old) {
    if (slot.to == kNowhere) continue;
    std::size_t at =
        slot_of(static_cast<Node>(slot.key >> 8), static_cast<unsigned char>(slot.key));
    while (slots_[at].to != kNowhere) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

void ByteTrie::add(std::string_view text, TokenId id) {
  if (text.empty()) return;
  Node node = kRoot;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    Node next = child(node, byte);
    if (next == kNowhere) {
      if (2 * tokens_.size() >= slots_.size()) grow();
      next = static_cast<Node>(tokens_.size());
      tokens_.push_back(kNoToken);
      std::size_t at = slot_of(node, byte);
      while (slots_[at].to != kNowhere) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {key_of(node, byte), next};
    }
    node = next;
  }
  if (tokens_[node] == kNoToken) tokens_[node] = id;
}

}  // namespace hearth
