// See pre_tokenizer.hpp.
#include "engine/tokenizer/pre_tokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "engine/tokenizer/pre_tokenizer_table.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

// Steps of one match.  The expressions below need a few per character of one piece; an expression
// that backtracks without end is stopped after about a tenth of a second.
constexpr std::uint32_t kMatchSteps = 10'000'000;

// PCRE2's own \s holds U+180E, which Unicode no longer counts as a space.
std::string with_unicode_spaces(std::string_view expression) {
  std::string out;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const bool is_escape = expression[i] == '\\' && i + 1 < expression.size();
    if (!is_escape) {
      out += expression[i];
      continue;
    }
    ++i;
    switch (expression[i]) {
      case 's': out += "\\p{White_Space}"; break;
      case 'S': out += "\\P{White_Space}"; break;
      default: (out += '\\') += expression[i];
    }
  }
  return out;
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR text[128] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

// Bytes at text's begin that belong to no character; text begins with one.
std::size_t stray_bytes(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && utf8_character(text.substr(size)) == 0) ++size;
  return size;
}

}  // namespace

void PreTokenizer::FreeCode::operator()(pcre2_code* code) const {
  pcre2_code_free(code);
}

// What one call of split() needs to match.
struct PreTokenizer::Matcher {
  struct Free {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };
  std::unique_ptr<pcre2_match_data, Free> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, Free> context{pcre2_match_context_create(nullptr)};

  Matcher() {
    if (context) pcre2_set_match_limit(context.get(), kMatchSteps);
  }
  bool is_ready() const { return data && context; }

  // The first match at or behind from: 1 with its place, 0 when there is none, or PCRE2's error.
  int match(const pcre2_code* code, std::string_view text, std::size_t from, std::size_t& ret_begin,
            std::size_t& ret_end) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    std::uint32_t options = PCRE2_NO_UTF_CHECK;  // only whole characters come here
    int result = pcre2_match(code, subject, text.size(), from, options, data.get(), context.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
      options |= PCRE2_NO_JIT;
      result = pcre2_match(code, subject, text.size(), from, options, data.get(), context.get());
    }
    if (result < 0) return result == PCRE2_ERROR_NOMATCH ? 0 : result;
    const PCRE2_SIZE* place = pcre2_get_ovector_pointer(data.get());
    ret_begin = place[0];
    ret_end = place[1];
    return 1;
  }

  // Append the ends of the pieces into which the expression splits text, which begins at base.
  Status split(const pcre2_code* code, std::string_view text, std::size_t base,
               std::vector<std::uint32_t>& ends) const {
    std::size_t last = 0;  // end of the last piece
    std::size_t from = 0;  // where to look for the next match
    while (from < text.size()) {
      std::size_t begin = 0, end = 0;
      const int found = match(code, text, from, begin, end);
      if (found < 0) {
        return Error{Code::TOKENIZATION, fmt::format("splitting the text failed at byte {}: {}",
                                                     base + from, pcre2_message(found))};
      }
      if (found == 0 || begin == text.size()) break;
      // A match of nothing only says that a piece ends here.
      if (begin > last) ends.push_back(static_cast<std::uint32_t>(base + begin));
      if (end > begin) ends.push_back(static_cast<std::uint32_t>(base + end));
      last = end;
      from = end > begin ? end : begin + utf8_length(text[begin]);
    }
    if (last < text.size()) ends.push_back(static_cast<std::uint32_t>(base + text.size()));
    return {};
  }
};

bool PreTokenizer::supports(std::string_view name) {
  return find_pre_tokenizer(name) != nullptr;
}

std::string PreTokenizer::supported_names() {
  return pre_tokenizer_names();
}

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
  const PreTokenizerRow* row = find_pre_tokenizer(name);
  if (row == nullptr) {
    return Error{Code::MODEL, fmt::format("the pre-tokenizer \"{}\" is not supported, only {}",
                                          name, supported_names())};
  }
  PreTokenizer made;
  made.whole_pieces_ = row->whole_pieces;
  for (const char* expression : row->expressions) {
    const std::string text = with_unicode_spaces(expression);
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                     PCRE2_UTF | PCRE2_UCP, &error, &offset, /*ccontext=*/nullptr);
    if (code == nullptr) {
      return Error{Code::INTERNAL, fmt::format("pre-tokenizer {}: {} at offset {} of {}", name,
                                               pcre2_message(error), offset, text)};
    }
    made.expressions_.emplace_back(code);
    // Where executable memory is forbidden (MemoryDenyWriteExecute=) the interpreter does the work.
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  }
  return made;
}

Status PreTokenizer::split(std::string_view text, std::vector<std::uint32_t>& ret_ends) const {
  ret_ends.clear();
  const Matcher matcher;
  if (!matcher.is_ready()) return Error{Code::OUT_OF_MEMORY, "no memory to match with"};
  std::size_t at = 0;
  while (at < text.size()) {
    if (const std::size_t size = utf8_valid_bytes(text.substr(at)); size != 0) {
      HEARTH_CHECK(split_characters(text.substr(at, size), at, matcher, ret_ends));
      at += size;
    } else {
      at += stray_bytes(text.substr(at));
      ret_ends.push_back(static_cast<std::uint32_t>(at));
    }
  }
  return {};
}

// Append the ends of the pieces of text, which holds whole characters and begins at base.
Status PreTokenizer::split_characters(std::string_view text, std::size_t base,
                                      const Matcher& matcher,
                                      std::vector<std::uint32_t>& ends) const {
  std::vector<std::uint32_t> before = {static_cast<std::uint32_t>(base + text.size())};
  std::vector<std::uint32_t> after;
  for (const auto& expression : expressions_) {
    after.clear();
    std::size_t begin = base;
    for (const std::size_t end : before) {
      const std::string_view piece = text.substr(begin - base, end - begin);
      HEARTH_CHECK(matcher.split(expression.get(), piece, begin, after));
      begin = end;
    }
    before.swap(after);
  }
  ends.insert(ends.end(), before.begin(), before.end());
  return {};
}

}  // namespace hearth
