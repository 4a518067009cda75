// Where the values of one render lie, and the nodes of one template: memory that is freed all at
// once.  So values are plain pointers, copied freely, and lists that hold themselves cost nothing.
//
// THREAD: one.   OWNER: a render, or a Template, which does not change once compiled.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace hearth::jinja {

class Heap {
 public:
  // Beyond bytes_max every request fails with the limit.
  explicit Heap(std::uint64_t bytes_max) : bytes_left_(bytes_max) {}

  // [count], not initialised.
  template <class T>
  T* array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));
    return static_cast<T*>(take(objects_, count, sizeof(T)));
  }

  template <class T>
  T* copy(std::span<const T> items) {
    T* copied = array<T>(items.size());
    std::uninitialized_copy(items.begin(), items.end(), copied);
    return copied;
  }

  template <class T, class... Arguments>
  T* make(Arguments&&... arguments) {
    return new (array<std::remove_const_t<T>>(1)) T{std::forward<Arguments>(arguments)...};
  }

  // Bytes that lie elsewhere for a while but count here, until they are given back.
  void hold(std::uint64_t bytes) { account(bytes); }
  void release(std::uint64_t bytes) { bytes_left_ += bytes; }

  // [bytes] for a text, not initialised.
  char* text(std::size_t bytes) { return static_cast<char*>(take(texts_, bytes, 1)); }

  // For what grows piece by piece, such as a prompt that a template joins together in a variable:
  // an array with room behind it, not initialised.
  template <class T>
  T* growing(std::size_t count) {
    return static_cast<T*>(take_growing(count, sizeof(T)));
  }

  // The room behind a growing array that ends at `end`, so that it need not be copied each time;
  // nullptr where there is none, or something lies there already.
  template <class T>
  T* extend(const T* end, std::size_t count) {
    return static_cast<T*>(take_behind(end, count * sizeof(T)));
  }

 private:
  struct Region {
    std::vector<std::unique_ptr<std::byte[]>> chunks;
    std::byte* top = nullptr;
    std::byte* end = nullptr;
  };
  // A chunk of its own, with the place where what grows in it ends.
  struct Growing {
    std::byte* top = nullptr;
    std::byte* end = nullptr;
    std::uint64_t used_at = 0;
  };
  void* take(Region& region, std::size_t count, std::size_t item_bytes);
  void* take_growing(std::size_t count, std::size_t item_bytes);
  void* take_behind(const void* end, std::size_t bytes);
  void account(std::uint64_t bytes);

  Region objects_;
  Region texts_;
  // The last used: more than one, since other texts are joined while one grows.
  std::array<Growing, 8> growing_;
  std::vector<std::unique_ptr<std::byte[]>> growing_chunks_;
  std::uint64_t uses_ = 0;
  std::uint64_t bytes_left_;
};

}  // namespace hearth::jinja
