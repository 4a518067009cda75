// See special_tokens.hpp.
#include "engine/tokenizer/special_tokens.hpp"

#include <algorithm>
#include <string>

namespace hearth {
namespace {

constexpr std::size_t kBlockBytes = 64u << 10;  // of text searched at once, at least

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary, bool parse_special) : is_last_{} {
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const bool on_request = type == TokenType::control || type == TokenType::unknown;
    if (type != TokenType::user_defined && !(on_request && parse_special)) continue;
    const std::string& text = vocabulary.tokens[i];
    if (text.empty()) continue;
    reversed_.add(std::string(text.rbegin(), text.rend()), static_cast<TokenId>(i));
    spelling_bytes_ = std::max(spelling_bytes_, text.size());
    is_last_[static_cast<unsigned char>(text.back())] = true;
  }
  states_.resize(reversed_.size());
  struct Edge {
    ByteTrie::Node from;
    unsigned char byte;
    ByteTrie::Node to;
  };
  std::vector<Edge> edges;
  edges.reserve(reversed_.size());
  reversed_.each_edge([&](ByteTrie::Node from, unsigned char byte, ByteTrie::Node to) {
    edges.push_back({from, byte, to});
  });
  // A node is younger than its parent.
  std::ranges::sort(edges, {}, &Edge::to);
  for (const Edge& edge : edges) states_[edge.to].depth = states_[edge.from].depth + 1;
  // What is shorter must be done before.
  std::ranges::stable_sort(edges, {}, [&](const Edge& edge) { return states_[edge.to].depth; });
  for (const Edge& edge : edges) {
    State& state = states_[edge.to];
    if (edge.from != ByteTrie::kRoot) state.fail = step(states_[edge.from].fail, edge.byte);
    state.longest = reversed_.token(edge.to) != kNoToken ? edge.to : states_[state.fail].longest;
  }
}

ByteTrie::Node SpecialTokens::step(ByteTrie::Node state, unsigned char byte) const {
  for (;; state = states_[state].fail) {
    const ByteTrie::Node next = reversed_.child(state, byte);
    if (next != ByteTrie::kNowhere) return next;
    if (state == ByteTrie::kRoot) return ByteTrie::kRoot;
  }
}

// Reading begins so far behind the block that what crosses its end is seen whole.
void SpecialTokens::Search::read_block(std::size_t begin) {
  const std::size_t size = std::max(kBlockBytes, 4 * tokens_.spelling_bytes_);
  block_end_ = std::min(text_.size(), begin + size);
  found_.clear();
  ByteTrie::Node state = ByteTrie::kRoot;
  for (std::size_t at = std::min(text_.size(), block_end_ + tokens_.spelling_bytes_);
       at-- > begin;) {
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (state == ByteTrie::kRoot && !tokens_.is_last_[byte]) continue;
    state = tokens_.step(state, byte);
    const ByteTrie::Node longest = tokens_.states_[state].longest;
    if (longest == ByteTrie::kRoot || at >= block_end_) continue;
    found_.push_back({tokens_.reversed_.token(longest), at, at + tokens_.states_[longest].depth});
  }
}

SpecialTokens::Match SpecialTokens::Search::next(std::size_t from) {
  if (tokens_.spelling_bytes_ == 0) return {};
  while (true) {
    while (!found_.empty() && found_.back().begin < from) found_.pop_back();
    if (!found_.empty()) return found_.back();
    if (block_end_ >= text_.size()) return {};
    read_block(std::max(from, block_end_));
  }
}

}  // namespace hearth
