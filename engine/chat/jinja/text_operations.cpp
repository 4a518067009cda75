// What filters and methods do with texts.  Whatever comes from input stays marked.
#include <cstring>
#include <vector>

#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/unicode_text.hpp"
#include "engine/tokenizer/unicode.hpp"

namespace hearth::jinja {
namespace {

// The place of what is searched at or after `from`, npos where there is none.  Linear in both.
std::size_t find_text(std::string_view text, std::string_view wanted, std::size_t from) {
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

void append_character(TextBuilder& out, char32_t value, const Mark* mark) {
  std::string bytes;
  hearth::append_utf8(static_cast<std::uint32_t>(value), bytes);
  mark != nullptr ? out.append(bytes, mark->message) : out.append(bytes);
}

// Whether a word of the filter `title` begins behind it.
bool begins_word(char32_t value) {
  return is_space(value) || value == '-' || value == '(' || value == '{' || value == '[' ||
         value == '<';
}

bool is_stripped(char32_t value, const Text* characters) {
  if (characters == nullptr) return is_space(value);
  const std::string_view set = characters->view();
  std::size_t size = 0;
  for (std::size_t at = 0; at < set.size(); at += size) {
    if (character_at(set, at, &size) == value) return true;
  }
  return false;
}

Value keep_safe(Run& run, const Text* original, Value changed) {
  return Value::of(with_safe(run.heap, changed.text, original->safe));
}

// Pieces between white space, as str.split() cuts them.
void split_spaces(Run& run, const Text* text, std::int64_t count_max, Sequence& pieces) {
  const std::string_view view = text->view();
  std::size_t size = 0;
  const auto space_at = [&](std::size_t at) { return is_space(character_at(view, at, &size)); };
  std::size_t at = 0;
  for (;;) {
    while (at < view.size() && space_at(at)) at += size;
    if (at == view.size()) return;
    std::size_t end = at;
    if (count_max >= 0 && pieces.size == count_max) {
      end = view.size();  // its last white space stays, as in Python
    } else {
      while (end < view.size() && !space_at(end)) end += size;
    }
    run.push(pieces, run.slice(text, at, end));
    run.charge(1);
    at = end;
    if (count_max >= 0 && pieces.size > count_max) return;
  }
}

void split_from_right(Run& run, const Text* text, std::string_view separator,
                      std::int64_t count_max, Sequence& pieces) {
  const std::string_view view = text->view();
  std::size_t end = view.size();
  for (std::size_t at = view.size(); at > 0 && count_max != 0;) {
    --at;
    run.charge_bytes(separator.size() + 16);
    if (end - at < separator.size() || view.compare(at, separator.size(), separator) != 0) continue;
    run.push(pieces, run.slice(text, at + separator.size(), end));
    end = at;
    --count_max;
  }
  run.push(pieces, run.slice(text, 0, end));
  std::reverse(pieces.items, pieces.items + pieces.size);
}

}  // namespace

Value trim(Run& run, const Text* text, const Value& characters, bool left, bool right) {
  const bool is_default = characters.is(Kind::missing) || characters.is(Kind::none);
  const Text* set = is_default ? nullptr : text_argument(characters, "chars");
  const std::string_view view = text->view();
  std::size_t begin = 0;
  std::size_t end = view.size();
  std::size_t size = 0;
  const auto is_off = [&](std::size_t at) {
    if (set != nullptr) run.charge(1 + set->size / 8);
    return is_stripped(character_at(view, at, &size), set);
  };
  while (left && begin < end && is_off(begin)) begin += size;
  while (right && end > begin) {
    const std::size_t last = previous_character(view, end);
    if (!is_off(last)) break;
    end = last;
  }
  run.charge_bytes(view.size() - (end - begin));
  return run.slice(text, begin, end);
}

Value replace(Run& run, const Text* text, const Text* old, const Text* replacement,
              std::int64_t count_max) {
  const std::string_view view = text->view();
  charge_search(run, text, old);
  TextBuilder out = run.builder();
  std::size_t at = 0;
  for (std::int64_t count = 0; count_max < 0 || count < count_max; ++count) {
    // An empty text lies before every character, and at the end.
    std::size_t found = 0;
    if (old->size != 0) {
      found = find_text(view, old->view(), at);
    } else if (count == 0) {
      found = 0;
    } else {
      found = at < view.size() ? next_character(view, at) : view.npos;
    }
    if (found == view.npos) break;
    run.charge(1 + replacement->size / 64);
    out.append(*text, at, found);
    out.append(*replacement);
    at = found + old->size;
  }
  if (at == 0 && out.size() == 0) return Value::of(text);
  out.append(*text, at, view.size());
  return keep_safe(run, text, run.finish(out));
}

Value change_case(Run& run, const Text* text, Case wanted) {
  run.charge(text->size / 8);
  TextBuilder out = run.builder();
  bool first = true;    // of the text
  bool inside = false;  // a word
  for_each_run(*text, [&](std::string_view piece, const Mark* mark) {
    std::size_t size = 0;
    for (std::size_t at = 0; at < piece.size(); at += size) {
      const char32_t value = character_at(piece, at, &size);
      const bool up = wanted == Case::upper || (wanted == Case::capital && first) ||
                      ((wanted == Case::title || wanted == Case::words) && !inside);
      if (up && value == 0xDF) {  // the one small letter of Latin-1 that has no single capital
        append_character(out, 'S', mark);
        append_character(out, wanted == Case::upper ? 'S' : 's', mark);
      } else {
        append_character(out, up ? upper_case(value) : lower_case(value), mark);
      }
      first = false;
      inside = wanted == Case::title ? is_letter(value) : !begins_word(value);
    }
  });
  return keep_safe(run, text, run.finish(out));
}

Value join(Run& run, const Text* separator, std::span<const Value> items) {
  TextBuilder out = run.builder();
  for (std::size_t i = 0; i < items.size(); ++i) {
    run.charge(1 + separator->size / 64);
    if (i > 0) out.append(*separator);
    append_str(run, out, items[i]);
  }
  return run.finish(out);
}

Sequence* split(Run& run, const Text* text, const Text* separator, std::int64_t count_max,
                bool from_right) {
  Sequence* pieces = run.sequence(SequenceKind::list);
  const std::string_view view = text->view();
  run.charge_bytes(view.size());
  if (separator == nullptr) {
    if (from_right && count_max >= 0) fail("rsplit of white space with a count is not supported");
    split_spaces(run, text, count_max, *pieces);
    return pieces;
  }
  if (separator->size == 0) fail("empty separator");
  charge_search(run, text, separator);
  if (from_right && count_max >= 0) {
    split_from_right(run, text, separator->view(), count_max, *pieces);
    return pieces;
  }
  std::size_t at = 0;
  for (std::int64_t count = 0; count_max < 0 || count < count_max; ++count) {
    const std::size_t found = find_text(view, separator->view(), at);
    if (found == view.npos) break;
    run.charge(1);
    run.push(*pieces, run.slice(text, at, found));
    at = found + separator->size;
  }
  run.push(*pieces, run.slice(text, at, view.size()));
  return pieces;
}

void sort_values(Run& run, std::span<Value> values, bool reverse) {
  // Stable sorting asks for no more than its range even where the order contradicts itself, as
  // with numbers that are none.
  std::stable_sort(values.begin(), values.end(), [&](const Value& a, const Value& b) {
    return compare(run, reverse ? b : a, reverse ? a : b, "<") == Order::below;
  });
}

}  // namespace hearth::jinja
