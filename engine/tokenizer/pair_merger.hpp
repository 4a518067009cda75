// The merging that both BPE tokenizers share: from a row of symbols, merge the pair of neighbours
// with the lowest rank, of equal ones the leftmost, until no pair merges.
//
// A heap of (rank, position) over a linked list: O(n log n) for n symbols.  Entries are never taken
// out when they grow stale: an entry counts only while the symbol at its position still has that
// rank with its neighbour, and whoever has it is due at that point of the order anyway.
//
// THREAD: whoever encodes; one for each text.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/tokenizer/token_index.hpp"

namespace hearth {

// Scratch memory of one thread; used again for one word after the other.
class PairMerger {
 public:
  struct Symbol {
    std::uint32_t begin;   // byte offset in the word
    std::uint32_t symbol;  // the tokenizer's number for what stands here
    std::uint32_t prev;    // neighbour's index; kNone before the first
    std::uint32_t next;    // neighbour's index; the end mark's behind the last
    Merge merge;           // with the next one; kNoRank also when merged into prev
  };

  // Begin a word.
  void clear() { symbols_.clear(); }
  // The next symbol of the word begins here.
  void add(std::uint32_t begin, std::uint32_t symbol) {
    const auto index = static_cast<std::uint32_t>(symbols_.size());
    symbols_.push_back({begin, symbol, index - 1, index + 1, {}});
  }

  // All symbols are added and the word has word_bytes: merge them.
  // find(left, right, end) -> Merge: of two Symbols, the right of which ends before offset end.
  template <class Find>
  void run(std::uint32_t word_bytes, const Find& find);

  // After run(): visit(symbol, begin, end) for what is left, in order.
  template <class Visit>
  void each(const Visit& visit) const {
    for (std::uint32_t i = 0; i + 1 < symbols_.size(); i = symbols_[i].next) {
      visit(symbols_[i].symbol, symbols_[i].begin, symbols_[symbols_[i].next].begin);
    }
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  // Look up the pair that begins at index; true when it merges.
  template <class Find>
  bool find_merge(std::uint32_t index, const Find& find) {
    Symbol& left = symbols_[index];
    const Symbol& right = symbols_[left.next];
    const bool is_last = left.next + 1 == symbols_.size();
    left.merge = is_last ? Merge{} : find(left, right, symbols_[right.next].begin);
    return left.merge.rank != kNoRank;
  }
  std::uint64_t heap_entry(std::uint32_t index) const {
    return std::uint64_t{symbols_[index].merge.rank} << 32 | index;
  }
  void push(std::uint32_t index) {
    heap_.push_back(heap_entry(index));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  std::vector<Symbol> symbols_;      // the word, and an end mark once run() has begun
  std::vector<std::uint64_t> heap_;  // rank << 32 | index, smallest first
};

template <class Find>
void PairMerger::run(std::uint32_t word_bytes, const Find& find) {
  const auto count = static_cast<std::uint32_t>(symbols_.size());
  add(word_bytes, 0);
  heap_.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (find_merge(i, find)) heap_.push_back(heap_entry(i));
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    const std::uint64_t top = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    const auto index = static_cast<std::uint32_t>(top);
    Symbol& left = symbols_[index];
    if (left.merge.rank != top >> 32) continue;
    Symbol& right = symbols_[left.next];
    left.symbol = left.merge.symbol;
    left.next = right.next;
    symbols_[right.next].prev = index;
    right.merge = {};
    if (find_merge(index, find)) push(index);
    if (left.prev != kNone && find_merge(left.prev, find)) push(left.prev);
  }
}

}  // namespace hearth
