// One budget of bytes for all segments of the daemon, and what each of them holds of it.
//
// A model whose cache fills up takes what others leave.  What is set aside for a model is never
// left to others, so that the first to be busy cannot keep the rest from working.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

namespace hearth::cache {

// Any thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}

  // Take bytes from the budget, or return false and take nothing.
  bool reserve(std::uint64_t bytes) {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }

 private:
  const std::uint64_t limit_;           // bytes
  std::atomic<std::uint64_t> used_{0};  // bytes, never above limit_
};

// One thread at a time.  Everything goes back to the budget in the end.
class BudgetShare {
 public:
  explicit BudgetShare(MemoryBudget* budget) : budget_(budget) {}
  BudgetShare(BudgetShare&& other) noexcept
      : budget_(other.budget_),
        taken_(std::exchange(other.taken_, 0)),
        aside_(std::exchange(other.aside_, 0)) {}
  BudgetShare& operator=(BudgetShare&& other) noexcept {
    budget_->give_back(taken_ + aside_);
    budget_ = other.budget_;
    taken_ = std::exchange(other.taken_, 0);
    aside_ = std::exchange(other.aside_, 0);
    return *this;
  }
  ~BudgetShare() { budget_->give_back(taken_ + aside_); }

  // Set bytes aside for take(), in place of what was set aside before.  False when the budget does
  // not have them; then nothing changes.
  bool set_aside(std::uint64_t bytes) {
    if (bytes > aside_ && !budget_->reserve(bytes - aside_)) return false;
    if (bytes < aside_) budget_->give_back(aside_ - bytes);
    aside_ = bytes;
    return true;
  }
  std::uint64_t aside() const { return aside_; }
  // A share of the same budget that has nothing of it yet.
  BudgetShare sibling() const { return BudgetShare(budget_); }
  // A share of its own with so much of what is set aside, or all of it where there is less.
  BudgetShare split(std::uint64_t bytes) {
    BudgetShare part(budget_);
    part.aside_ = std::min(bytes, aside_);
    aside_ -= part.aside_;
    return part;
  }

  // Take bytes, first what is set aside; or return false and take nothing.
  bool take(std::uint64_t bytes) {
    const std::uint64_t own = std::min(bytes, aside_);
    if (!budget_->reserve(bytes - own)) return false;
    aside_ -= own;
    taken_ += bytes;
    return true;
  }
  // What was taken last was not needed after all: it is set aside again.
  void put_back(std::uint64_t bytes) {
    taken_ -= bytes;
    aside_ += bytes;
  }

  // All that was taken is needed no more: it is set aside again.
  void put_back_all() { put_back(taken_); }

  std::uint64_t limit() const { return budget_->limit(); }  // of the whole budget

 private:
  MemoryBudget* budget_;     // outlives us
  std::uint64_t taken_ = 0;  // bytes
  std::uint64_t aside_ = 0;  // bytes
};

}  // namespace hearth::cache
