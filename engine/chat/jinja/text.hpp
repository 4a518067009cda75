// Texts that know which of their parts came from input.
//
// A Text is UTF-8, never changes, and lies in a Heap; its marks are the stretches that came with
// the values of the request.  A text of the template has none, and pays for none.  Slices share the
// bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/jinja/heap.hpp"

namespace hearth::jinja {

// Not of the list of messages: tools, settings and the like.
constexpr std::int32_t kNoMessage = -1;

// Bytes that came from input.
struct Mark {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::int32_t message = kNoMessage;  // index in the list of messages
};

struct Text {
  const char* data = "";
  std::uint32_t size = 0;        // bytes
  std::uint32_t mark_count = 0;  // 0: all of it is the template's
  const Mark* marks = nullptr;   // [mark_count], sorted, apart from each other or touching
  bool safe = false;             // what the filter `safe` gives: `+` escapes what is joined to it

  std::string_view view() const { return {data, size}; }
};

// A text of the template that lives as long as the heap's owner does; bytes are not copied.
Text* borrow_text(Heap& heap, std::string_view bytes);
Text* copy_text(Heap& heap, std::string_view bytes);
// All of it from input; bytes are not copied.
Text* borrow_input(Heap& heap, std::string_view bytes, std::int32_t message);

// Bytes [begin, end): these must begin and end characters.
const Text* slice(Heap& heap, const Text* text, std::size_t begin, std::size_t end);
// What is long is joined in place where it can be; copied: the bytes that were copied.
const Text* concat(Heap& heap, const Text* left, const Text* right, std::size_t* copied);
// The same text with another `safe`.
const Text* with_safe(Heap& heap, const Text* text, bool safe);

// Its begin, for a message: names come from templates and values, and may be long.
std::string_view shown(const Text* text);

// Builds a text of pieces.
class TextBuilder {
 public:
  // More than bytes_max fails with the limit, which names `what`.  What is built counts in the
  // heap, which outlives the builder.
  TextBuilder(Heap& heap, std::uint32_t bytes_max, const char* what = "a text")
      : heap_(heap), bytes_max_(bytes_max), what_(what) {}
  ~TextBuilder() { heap_.release(held_); }
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;

  void append(std::string_view bytes) {  // the template's
    if (bytes.size() > bytes_max_ - bytes_.size()) too_long();
    hold(bytes.size());
    bytes_.append(bytes);
  }
  void append(char byte) { append(std::string_view(&byte, 1)); }
  void append(std::string_view bytes, std::int32_t message);  // from input
  void append(const Text& text) { append(text, 0, text.size); }
  void append(const Text& text, std::size_t begin, std::size_t end);

  std::size_t size() const { return bytes_.size(); }
  const Text* finish() const;
  // For what leaves the engine: the bytes and their marks.
  std::string take_bytes() { return std::move(bytes_); }
  const std::vector<Mark>& marks() const { return marks_; }

 private:
  [[noreturn]] void too_long() const;
  void hold(std::uint64_t bytes) {
    heap_.hold(bytes);
    held_ += bytes;
  }
  Heap& heap_;
  std::uint64_t held_ = 0;
  std::string bytes_;
  std::vector<Mark> marks_;
  std::uint32_t bytes_max_;
  const char* what_;
};

// Calls visit(piece, mark) for every stretch of one origin; mark is nullptr for the template's.
template <class Visit>
void for_each_run(const Text& text, Visit&& visit) {
  std::uint32_t at = 0;
  for (std::uint32_t i = 0; i < text.mark_count; ++i) {
    const Mark& mark = text.marks[i];
    if (mark.begin > at) visit(text.view().substr(at, mark.begin - at), nullptr);
    visit(text.view().substr(mark.begin, mark.end - mark.begin), &mark);
    at = mark.end;
  }
  if (at < text.size) visit(text.view().substr(at), nullptr);
}

}  // namespace hearth::jinja
