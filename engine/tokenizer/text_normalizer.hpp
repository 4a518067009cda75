// What SentencePiece does to text before it looks for pieces: characters are replaced by the map
// that the model was trained with, runs of spaces become one, and spaces become U+2581.
//
// Source: sentencepiece, src/normalizer.cc; the map's layout is that of its builder.cc: a
// little-endian u32 with the bytes of a double array (darts-clone), the array, then the
// replacements, each closed by a NUL.  The map comes from a model file: every step is checked.
// Immutable once built.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace hearth {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Text with every `from` (not empty) turned into `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

class TextNormalizer {
 public:
  // charsmap: empty for none.  remove_extra_spaces: spaces at both ends go, runs become one.
  // Errors: MODEL for a map that is cut off.
  static Result<TextNormalizer> create(std::string charsmap, bool remove_extra_spaces);

  // Text as pieces see it.  space_prefix: as if a space stood before it.  Bytes that are no UTF-8
  // stay as they are, or become U+FFFD where there is a map.
  // Errors: LIMIT when the map makes the text longer than kBytesMax.
  Result<std::string> apply(std::string_view text, bool space_prefix) const;
  static constexpr std::size_t kBytesMax = 1u << 30;

 private:
  struct Replaced {
    std::string_view text;  // what stands for the first `size` bytes
    std::size_t size;
  };
  Replaced replace_first(std::string_view text) const;

  std::string replacements_;          // ends with a NUL
  std::vector<std::uint32_t> units_;  // the double array; empty: no map
  bool remove_extra_spaces_ = false;
};

}  // namespace hearth
