// Splitting text into the pieces within which BPE merges.
//
// Which pieces is part of a model: tokenizer.ggml.pre names one of a table's rows, each a list of
// regular expressions that are applied in turn, every one splitting the pieces of the one before.
// Matches become pieces, and so does what stands between two matches.  The expressions run in
// PCRE2, compiled by its JIT where the system allows that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

struct pcre2_real_code_8;

namespace hearth {

// Immutable once built: any number of threads may use it together.
class PreTokenizer {
 public:
  static bool supports(std::string_view name);
  static std::string supported_names();  // "bloom, command-r, ..."

  // Errors: MODEL for a name that is not supported.
  static Result<PreTokenizer> create(std::string_view name);

  // Set ret_ends to where the pieces of text end, in order; the last is text.size(), which must be
  // below 4 GiB.  No piece is empty.  A run of bytes that are not UTF-8 is a piece of its own.
  // Errors: TOKENIZATION when an expression needs more steps than one match may take.
  Status split(std::string_view text, std::vector<std::uint32_t>& ret_ends) const;

  // A piece that is a token as a whole is that token, whatever its merges would give.
  bool whole_pieces() const { return whole_pieces_; }

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  struct Matcher;

  Status split_characters(std::string_view text, std::size_t base, const Matcher& matcher,
                          std::vector<std::uint32_t>& ends) const;

  std::vector<std::unique_ptr<pcre2_real_code_8, FreeCode>> expressions_;
  bool whole_pieces_ = false;
};

}  // namespace hearth
