// The best way to every place of the text is found from left to right.  Where no piece goes on
// over a place, all ways meet: the best so far is written down, and the next begins there.  So
// memory is that of a word or two.  Sums are of single precision over the whole text, as
// sentencepiece has them: that decides between ways that are equally likely.
#include "engine/tokenizer/unigram_tokenizer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

constexpr float kUnknownPenalty = 10;

// The best way to a place.
struct Step {
  float score = -std::numeric_limits<float>::infinity();
  std::uint32_t size = 0;  // bytes of the last piece
  TokenId id = kNoToken;   // the last piece; kNoToken: a character without one
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> UnigramTokenizer::create(Vocabulary vocabulary) {
  std::unique_ptr<UnigramTokenizer> made(new UnigramTokenizer(std::move(vocabulary)));
  HEARTH_CHECK(made->build());
  return std::unique_ptr<Tokenizer>(std::move(made));
}

Status UnigramTokenizer::build() {
  float lowest = std::numeric_limits<float>::max();
  HEARTH_CHECK(build_pieces([&](TokenId id) {
    const auto i = static_cast<std::size_t>(id);
    trie_.add(vocabulary_.tokens[i], id);
    if (vocabulary_.types[i] == TokenType::normal) lowest = std::min(lowest, vocabulary_.scores[i]);
  }));
  if (lowest == std::numeric_limits<float>::max()) lowest = 0;
  unknown_score_ = lowest - kUnknownPenalty;
  return {};
}

Status UnigramTokenizer::encode_plain(std::string_view text, bool after_special,
                                      std::vector<TokenId>& ids) const {
  HEARTH_TRY(const std::string normalized, normalize(text, after_special));
  const std::string_view all = normalized;
  const std::size_t plain_begin = ids.size();
  std::vector<Step> steps = {{.score = 0, .size = 0, .id = kNoToken}};  // [i]: to begin + i
  std::vector<std::pair<std::size_t, const Step*>> way;
  std::size_t begin = 0;  // of what is not written down
  // Of the best way to `end`, where all ways meet.
  const auto write_down = [&](std::size_t end) -> Status {
    way.clear();
    for (std::size_t at = end - begin; at != 0; at -= steps[at].size) {
      way.emplace_back(begin + at - steps[at].size, &steps[at]);
    }
    for (auto piece = way.rbegin(); piece != way.rend(); ++piece) {
      const auto& [at, step] = *piece;
      if (step->id != kNoToken) {
        ids.push_back(step->id);
      } else {
        HEARTH_CHECK(push_unknown(all.substr(at, step->size), plain_begin, ids));
      }
    }
    steps.assign(1, {.score = steps[end - begin].score, .size = 0, .id = kNoToken});
    begin = end;
    return {};
  };
  std::size_t reach = 0;  // where the longest piece so far ends
  for (std::size_t at = 0; at < all.size();) {
    if (at >= reach && at != begin) HEARTH_CHECK(write_down(at));
    const float before = steps[at - begin].score;
    const auto consider = [&](std::size_t size, TokenId id, float score) {
      const std::size_t end = at + size;
      reach = std::max(reach, end);
      if (steps.size() <= end - begin) steps.resize(end - begin + 1);
      Step& best = steps[end - begin];
      if (best.size == 0 || before + score > best.score) {
        best = {before + score, static_cast<std::uint32_t>(size), id};
      }
    };
    const std::size_t character = std::max<std::size_t>(utf8_character(all.substr(at)), 1);
    bool has_piece = false;  // for the character alone
    ByteTrie::Node node = ByteTrie::kRoot;
    for (std::size_t end = at; end < all.size();) {
      node = trie_.child(node, all[end++]);
      if (node == ByteTrie::kNowhere) break;
      const TokenId id = trie_.token(node);
      if (id == kNoToken) continue;
      has_piece = has_piece || end - at == character;
      consider(end - at, id, vocabulary_.scores[static_cast<std::size_t>(id)]);
    }
    if (!has_piece) consider(character, kNoToken, unknown_score_);
    at += character;
  }
  return all.empty() ? Status() : write_down(all.size());
}

}  // namespace hearth
