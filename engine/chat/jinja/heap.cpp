// Chunks of memory that are freed together.
#include "engine/chat/jinja/heap.hpp"

#include "engine/chat/jinja/failure.hpp"

namespace hearth::jinja {
namespace {

constexpr std::size_t kChunkBytesMin = 4096;
constexpr std::size_t kChunkBytesMax = 1u << 20;
constexpr std::size_t kAlign = alignof(std::max_align_t);

// AddressSanitizer sees what is written beyond an object only if that ends its allocation.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kApart = true;
#elif defined(__has_feature)
constexpr bool kApart = __has_feature(address_sanitizer);
#else
constexpr bool kApart = false;
#endif

}  // namespace

void Heap::account(std::uint64_t bytes) {
  if (bytes > bytes_left_) fail_limit("the template uses too much memory");
  bytes_left_ -= bytes;
}

void* Heap::take(Region& region, std::size_t count, std::size_t item_bytes) {
  if (count > bytes_left_ / item_bytes) fail_limit("the template uses too much memory");
  std::size_t bytes = count * item_bytes;
  if (&region == &objects_) bytes = (bytes + kAlign - 1) / kAlign * kAlign;
  account(bytes);
  if (kApart || static_cast<std::size_t>(region.end - region.top) < bytes) {
    // Chunks grow with what is there.
    const std::size_t usual =
        std::min(kChunkBytesMin << std::min<std::size_t>(region.chunks.size(), 8), kChunkBytesMax);
    const std::size_t chunk = kApart ? bytes : std::max(usual, bytes);
    region.chunks.push_back(std::make_unique_for_overwrite<std::byte[]>(chunk));
    region.top = region.chunks.back().get();
    region.end = region.top + chunk;
  }
  void* taken = region.top;
  region.top += bytes;
  return taken;
}

void* Heap::take_growing(std::size_t count, std::size_t item_bytes) {
  if (count > bytes_left_ / item_bytes) fail_limit("the template uses too much memory");
  const std::size_t bytes = count * item_bytes;
  account(bytes);
  growing_chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes * 2));
  std::byte* begin = growing_chunks_.back().get();
  *std::ranges::min_element(growing_, {}, &Growing::used_at) = {begin + bytes, begin + bytes * 2,
                                                                ++uses_};
  return begin;
}

void* Heap::take_behind(const void* end, std::size_t bytes) {
  const auto found = std::ranges::find(growing_, end, &Growing::top);
  if (found == growing_.end() || static_cast<std::size_t>(found->end - found->top) < bytes) {
    return nullptr;
  }
  account(bytes);
  found->used_at = ++uses_;
  return std::exchange(found->top, found->top + bytes);
}

}  // namespace hearth::jinja
