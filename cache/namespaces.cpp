// See namespaces.hpp.
#include "cache/namespaces.hpp"

#include <time.h>

#include <cassert>

namespace hearth::cache {
namespace {

// Put one into a set with the node that it had there before, if it had one.
template <class Set>
void put_back(Set& set, typename Set::node_type node, Namespace& one) {
  if (node) {
    set.insert(std::move(node));
  } else {
    set.insert(&one);
  }
}

}  // namespace

std::int64_t seconds_now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

std::pair<Namespace*, bool> Namespaces::meet(NamespaceId id) {
  const auto [found, added] = all_.try_emplace(id);
  found->second.id = id;
  return {&found->second, added};
}

void Namespaces::count(Namespace& one, int held, int cached) {
  const bool used = held > 0 || cached > 0;  // and not by losing a page
  const std::int64_t used_s = used ? clock_() : one.used_s;
  const std::uint32_t cached_then = one.pages_cached + static_cast<std::uint32_t>(cached);
  if (held == 0 && one.pages_cached > 0 && cached_then > 0 && one.used_s == used_s) {
    one.pages_cached = cached_then;  // its place in the orders is the same
    return;
  }
  auto by_held = by_held_.extract(&one);
  auto by_use = by_use_.extract(&one);
  one.pages_held += static_cast<std::uint32_t>(held);
  one.pages_cached = cached_then;
  one.used_s = used_s;
  assert(one.pages_cached <= one.pages_held);
  if (one.pages_cached == 0) return;
  put_back(by_held_, std::move(by_held), one);
  put_back(by_use_, std::move(by_use), one);
}

Namespace* Namespaces::gives_way() const {
  if (by_held_.empty()) return nullptr;
  Namespace* oldest = *by_use_.begin();
  return clock_() - oldest->used_s >= kAwaySeconds ? oldest : *by_held_.rbegin();
}

void Namespaces::check() const {
  std::size_t asked = 0;
  for (const auto& [id, one] : all_) {
    assert(one.id == id && one.pages_cached <= one.pages_held);
    auto* place = const_cast<Namespace*>(&one);
    assert(by_held_.contains(place) == (one.pages_cached > 0));
    assert(by_use_.contains(place) == (one.pages_cached > 0));
    asked += one.pages_cached > 0;
    (void)place;
  }
  assert(asked == by_held_.size() && asked == by_use_.size());
  (void)asked;
}

}  // namespace hearth::cache
