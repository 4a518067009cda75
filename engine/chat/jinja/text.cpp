// Texts, their marks, and how both are joined and cut.
#include "engine/chat/jinja/text.hpp"

#include <cstring>

#include "engine/chat/jinja/failure.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace hearth::jinja {
namespace {

// A mark, and what it becomes in the end: two spans, in vectors that double.
constexpr std::uint64_t kHeldForMark = 64;

// The first mark that ends behind this byte.
const Mark* first_mark(const Text& text, std::size_t begin) {
  return std::upper_bound(text.marks, text.marks + text.mark_count, begin,
                          [](std::size_t at, const Mark& mark) { return at < mark.end; });
}

// An array of both: the room behind the left one is used where there is any.
template <class T>
const T* append(Heap& heap, const T* left, std::size_t left_count, const T* right,
                std::size_t right_count, std::size_t* copied) {
  *copied += right_count * sizeof(T);
  if (left_count == 0) return right;
  if (T* behind = heap.extend(left + left_count, right_count)) {
    std::memcpy(behind, right, right_count * sizeof(T));
    return left;
  }
  constexpr std::size_t kLongBytes = 1024;  // what may grow on: room costs memory
  *copied += left_count * sizeof(T);
  const std::size_t count = left_count + right_count;
  T* joined = count * sizeof(T) >= kLongBytes ? heap.growing<T>(count) : heap.array<T>(count);
  std::memcpy(joined, left, left_count * sizeof(T));
  std::memcpy(joined + left_count, right, right_count * sizeof(T));
  return joined;
}

}  // namespace

Text* borrow_text(Heap& heap, std::string_view bytes) {
  // Never nullptr: what searches bytes wants none.
  const char* data = bytes.empty() ? "" : bytes.data();
  return heap.make<Text>(Text{data, static_cast<std::uint32_t>(bytes.size())});
}

Text* copy_text(Heap& heap, std::string_view bytes) {
  char* copied = heap.text(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copied);
  return borrow_text(heap, {copied, bytes.size()});
}

Text* borrow_input(Heap& heap, std::string_view bytes, std::int32_t message) {
  Text* text = borrow_text(heap, bytes);
  if (bytes.empty()) return text;
  text->marks = heap.make<Mark>(Mark{0, text->size, message});
  text->mark_count = 1;
  return text;
}

const Text* slice(Heap& heap, const Text* text, std::size_t begin, std::size_t end) {
  if (begin == 0 && end == text->size) return text;
  Text* part = borrow_text(heap, text->view().substr(begin, end - begin));
  part->safe = text->safe;
  if (text->mark_count == 0 || begin == end) return part;
  const Mark* first = first_mark(*text, begin);
  const Mark* last = first;
  while (last != text->marks + text->mark_count && last->begin < end) ++last;
  if (first == last) return part;
  const auto count = static_cast<std::size_t>(last - first);
  Mark* marks = heap.array<Mark>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = std::max<std::size_t>(first[i].begin, begin) - begin;
    const auto to = std::min<std::size_t>(first[i].end, end) - begin;
    marks[i] = {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), first[i].message};
  }
  part->marks = marks;
  part->mark_count = static_cast<std::uint32_t>(count);
  return part;
}

const Text* concat(Heap& heap, const Text* left, const Text* right, std::size_t* copied) {
  *copied = 0;
  if (right->size == 0) return left;
  if (left->size == 0) return right;
  Text* whole = borrow_text(heap, {});
  whole->data = append(heap, left->data, left->size, right->data, right->size, copied);
  whole->size = left->size + right->size;
  whole->mark_count = left->mark_count + right->mark_count;
  if (right->mark_count == 0) {
    whole->marks = left->marks;
    return whole;
  }
  Mark* moved = heap.array<Mark>(right->mark_count);
  for (std::uint32_t i = 0; i < right->mark_count; ++i) {
    const Mark& mark = right->marks[i];
    moved[i] = {mark.begin + left->size, mark.end + left->size, mark.message};
  }
  whole->marks = append(heap, left->marks, left->mark_count, moved, right->mark_count, copied);
  return whole;
}

const Text* with_safe(Heap& heap, const Text* text, bool safe) {
  if (text->safe == safe) return text;
  Text* changed = heap.make<Text>(*text);
  changed->safe = safe;
  return changed;
}

std::string_view shown(const Text* text) {
  constexpr std::size_t kShownBytes = 100;
  const std::string_view begin = text->view().substr(0, kShownBytes);
  return begin.substr(0, utf8_valid_bytes(begin));
}

void TextBuilder::append(std::string_view bytes, std::int32_t message) {
  const auto begin = static_cast<std::uint32_t>(bytes_.size());
  append(bytes);
  if (bytes.empty()) return;
  const auto end = static_cast<std::uint32_t>(bytes_.size());
  if (!marks_.empty() && marks_.back().end == begin && marks_.back().message == message) {
    marks_.back().end = end;
  } else {
    hold(kHeldForMark);
    marks_.push_back({begin, end, message});
  }
}

void TextBuilder::append(const Text& text, std::size_t begin, std::size_t end) {
  if (text.mark_count == 0) return append(text.view().substr(begin, end - begin));
  const Mark* last = text.marks + text.mark_count;
  for (const Mark* mark = first_mark(text, begin); mark != last && mark->begin < end; ++mark) {
    const std::size_t from = std::max<std::size_t>(mark->begin, begin);
    const std::size_t to = std::min<std::size_t>(mark->end, end);
    append(text.view().substr(begin, from - begin));
    append(text.view().substr(from, to - from), mark->message);
    begin = to;
  }
  append(text.view().substr(begin, end - begin));
}

const Text* TextBuilder::finish() const {
  Text* text = copy_text(heap_, bytes_);
  if (marks_.empty()) return text;
  text->marks = heap_.copy<Mark>(marks_);
  text->mark_count = static_cast<std::uint32_t>(marks_.size());
  return text;
}

void TextBuilder::too_long() const {
  fail_limit(fmt::format("{} is longer than {} bytes", what_, bytes_max_));
}

}  // namespace hearth::jinja
