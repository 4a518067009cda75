// See vocabulary.hpp.
#include "engine/tokenizer/vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/tokenizer/bpe_tokenizer.hpp"
#include "engine/tokenizer/pre_tokenizer.hpp"
#include "engine/tokenizer/sentence_piece.hpp"
#include "engine/tokenizer/token_index.hpp"

namespace hearth {
namespace {

constexpr const char* kModelKey = "tokenizer.ggml.model";
constexpr const char* kPreKey = "tokenizer.ggml.pre";
constexpr const char* kTokensKey = "tokenizer.ggml.tokens";
constexpr const char* kScoresKey = "tokenizer.ggml.scores";
constexpr const char* kTypesKey = "tokenizer.ggml.token_type";
constexpr const char* kMergesKey = "tokenizer.ggml.merges";
constexpr const char* kBosKey = "tokenizer.ggml.bos_token_id";
constexpr const char* kEosKey = "tokenizer.ggml.eos_token_id";
constexpr const char* kEotKey = "tokenizer.ggml.eot_token_id";
constexpr const char* kEomKey = "tokenizer.ggml.eom_token_id";
constexpr const char* kUnknownKey = "tokenizer.ggml.unknown_token_id";
constexpr const char* kAddBosKey = "tokenizer.ggml.add_bos_token";
constexpr const char* kAddEosKey = "tokenizer.ggml.add_eos_token";
constexpr const char* kSeparatorKey = "tokenizer.ggml.seperator_token_id";  // spelled so
constexpr const char* kAddSeparatorKey = "tokenizer.ggml.add_sep_token";
constexpr const char* kSpacePrefixKey = "tokenizer.ggml.add_space_prefix";
constexpr const char* kExtraSpacesKey = "tokenizer.ggml.remove_extra_whitespaces";
constexpr const char* kCharsmapKey = "tokenizer.ggml.precompiled_charsmap";
constexpr const char* kLowerCaseKey = "tokenizer.ggml.normalizer.lowercase";
constexpr const char* kStripAccentsKey = "tokenizer.ggml.normalizer.strip_accents";
constexpr const char* kNfcKey = "tokenizer.ggml.normalizer.nfc";

constexpr std::size_t kCharsmapBytesMax = 16u << 20;

// What a tokenizer takes for granted where its file says nothing.
struct Defaults {
  const char* name;  // in kModelKey
  TokenizerModel model;
  TokenId bos, eos, unknown;
  bool add_bos, add_eos, add_space_prefix;
};
constexpr Defaults kDefaults[] = {
    {"llama", TokenizerModel::spm, 1, 2, 0, true, false, true},
    {"gpt2", TokenizerModel::bpe, kNoToken, kNoToken, kNoToken, false, false, false},
    {"t5", TokenizerModel::unigram, kNoToken, 1, 2, false, true, true},
    {"bert", TokenizerModel::word_piece, 101, 102, 100, true, true, false},
};

// Texts with which models end a turn or their output.
constexpr std::string_view kEndTexts[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
};

// A value of a hostile file, fit for a message.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= 0x20 && c < 0x7F && c != '"' ? c : '?';
  return out + (text.size() > 64 ? "...\"" : "\"");
}

class VocabularyReader {
 public:
  explicit VocabularyReader(const GgufFile& file) : file_(file) {}

  Result<Vocabulary> read();

 private:
  Result<TokenizerModel> read_model();
  Status read_tokens();
  Status read_types();
  Status read_scores();
  Status read_merges();
  Status read_special_ids();
  Status read_flags();
  Status read_normalizer();
  Status check_texts() const;
  void infer_types();
  void find_end_tokens(std::vector<TokenId> named);

  Result<TokenId> read_id(const char* key, TokenId otherwise) const;
  Result<bool> read_bool(const char* key, bool otherwise) const;
  // The value of a key that must be there.
  template <class T>
  Result<T> present(const char* key, Result<std::optional<T>> value) const {
    if (!value) return value.error();
    if (!*value) return fail(key, "is missing");
    return **std::move(value);
  }
  Status check_count(const char* key, std::size_t count_max) const;
  Result<std::vector<double>> number_of_each_token(const char* key) const;
  TokenId find_end_token(std::string_view text) const;

  bool is_bpe() const { return vocabulary_.model == TokenizerModel::bpe; }
  bool is_word_piece() const { return vocabulary_.model == TokenizerModel::word_piece; }
  bool has_scores() const {  // and byte tokens: from SentencePiece
    return vocabulary_.model == TokenizerModel::spm || vocabulary_.model == TokenizerModel::unigram;
  }
  Error fail(const char* key, const std::string& what) const {
    return Error{Code::MODEL, fmt::format("{}: {} {}", file_.path(), key, what)};
  }

  const GgufFile& file_;
  const Defaults* defaults_ = nullptr;  // once read_model() has found the tokenizer
  Vocabulary vocabulary_;
};

Result<Vocabulary> VocabularyReader::read() {
  HEARTH_TRY(vocabulary_.model, read_model());
  if (vocabulary_.model == TokenizerModel::none) return Vocabulary();
  HEARTH_CHECK(read_tokens());
  if (has_scores()) HEARTH_CHECK(read_scores());
  if (is_bpe()) HEARTH_CHECK(read_merges());
  HEARTH_CHECK(read_special_ids());
  HEARTH_CHECK(read_types());
  HEARTH_CHECK(check_texts());
  HEARTH_CHECK(read_flags());
  std::vector<TokenId> named = {vocabulary_.eos};
  for (const char* key : {kEotKey, kEomKey}) {
    HEARTH_TRY(const TokenId id, read_id(key, kNoToken));
    named.push_back(id);
  }
  find_end_tokens(std::move(named));
  return std::move(vocabulary_);
}

Result<TokenizerModel> VocabularyReader::read_model() {
  HEARTH_TRY(const auto model, file_.string_value(kModelKey));
  if (!model || *model == "none" || *model == "no_vocab") return TokenizerModel::none;
  std::string known = "none";
  for (const Defaults& entry : kDefaults) {
    if (*model == entry.name) defaults_ = &entry;
    known += fmt::format(", {}", entry.name);
  }
  if (defaults_ == nullptr) {
    return fail(kModelKey, fmt::format("is {}: not supported, only {}", quoted(*model), known));
  }
  if (defaults_->model != TokenizerModel::bpe) return defaults_->model;
  HEARTH_TRY(const auto pre, file_.string_value(kPreKey));
  vocabulary_.pre = pre.value_or("");
  if (!PreTokenizer::supports(vocabulary_.pre)) {
    return fail(kPreKey, fmt::format("is {}: not supported, only {}", quoted(vocabulary_.pre),
                                     PreTokenizer::supported_names()));
  }
  return TokenizerModel::bpe;
}

// Before an array is decoded: its length bounds the memory that takes.
Status VocabularyReader::check_count(const char* key, std::size_t count_max) const {
  const GgufValue* value = file_.find(key);
  if (value != nullptr && value->count > count_max) {
    return fail(key, fmt::format("has {} elements; the limit is {}", value->count, count_max));
  }
  return {};
}

Status VocabularyReader::read_tokens() {
  HEARTH_CHECK(check_count(kTokensKey, kVocabularyTokensMax));
  HEARTH_TRY(const auto tokens, present(kTokensKey, file_.string_array(kTokensKey)));
  if (tokens.empty()) return fail(kTokensKey, "is empty");
  vocabulary_.tokens.reserve(tokens.size());
  for (const std::string_view text : tokens) {
    if (text.size() > kTokenBytesMax) {
      return fail(kTokensKey, fmt::format("[{}] has {} bytes; the limit is {}", vocabulary_.size(),
                                          text.size(), kTokenBytesMax));
    }
    vocabulary_.tokens.emplace_back(text);
  }
  return {};
}

// An array with one number for each token.
Result<std::vector<double>> VocabularyReader::number_of_each_token(const char* key) const {
  HEARTH_CHECK(check_count(key, kVocabularyTokensMax));
  HEARTH_TRY(auto numbers, present(key, file_.real_array(key)));
  if (numbers.size() != vocabulary_.size()) {
    return fail(key,
                fmt::format("has {} elements for {} tokens", numbers.size(), vocabulary_.size()));
  }
  return numbers;
}

Status VocabularyReader::read_types() {
  if (file_.find(kTypesKey) == nullptr) {
    infer_types();
    return {};
  }
  HEARTH_TRY(const auto numbers, number_of_each_token(kTypesKey));
  vocabulary_.types.reserve(numbers.size());
  for (const double number : numbers) {
    if (!(number >= 0 && number <= 6) || number != std::floor(number)) {
      return fail(kTypesKey, fmt::format("[{}] is {}, which is no type of a token",
                                         vocabulary_.types.size(), number));
    }
    // 0 is "undefined" to the tools that write it for ordinary tokens.
    const auto type = static_cast<std::uint8_t>(number == 0 ? 1 : number);
    vocabulary_.types.push_back(static_cast<TokenType>(type));
  }
  return {};
}

// The key is optional: without it, types follow from ids and texts.
void VocabularyReader::infer_types() {
  const auto set = [&](TokenId id, TokenType type) {
    if (id != kNoToken) vocabulary_.types[static_cast<std::size_t>(id)] = type;
  };
  vocabulary_.types.assign(vocabulary_.size(), TokenType::normal);
  for (std::size_t i = 0; has_scores() && i < vocabulary_.size(); ++i) {
    if (spm_byte(vocabulary_.tokens[i]) >= 0) vocabulary_.types[i] = TokenType::byte;
  }
  set(vocabulary_.unknown, TokenType::unknown);
  set(vocabulary_.bos, TokenType::control);
  set(vocabulary_.eos, TokenType::control);
}

Status VocabularyReader::read_scores() {
  HEARTH_TRY(const auto scores, number_of_each_token(kScoresKey));
  vocabulary_.scores.reserve(scores.size());
  for (const double score : scores) {
    if (!(std::abs(score) <= std::numeric_limits<float>::max())) {
      return fail(kScoresKey,
                  fmt::format("[{}] is not a finite number", vocabulary_.scores.size()));
    }
    vocabulary_.scores.push_back(static_cast<float>(score));
  }
  return {};
}

Status VocabularyReader::read_merges() {
  HEARTH_CHECK(check_count(kMergesKey, kVocabularyTokensMax));
  HEARTH_TRY(const auto merges, present(kMergesKey, file_.string_array(kMergesKey)));
  vocabulary_.merges.reserve(merges.size());
  for (const std::string_view merge : merges) {
    const std::size_t index = vocabulary_.merges.size();
    if (merge.size() > kTokenBytesMax) {
      return fail(kMergesKey, fmt::format("[{}] has {} bytes; the limit is {}", index, merge.size(),
                                          kTokenBytesMax));
    }
    if (!split_merge(merge)) {
      return fail(kMergesKey, fmt::format("[{}] is not \"left right\"", index));
    }
    vocabulary_.merges.emplace_back(merge);
  }
  return {};
}

// The token that key names; otherwise, where the key is absent and the vocabulary goes that far.
Result<TokenId> VocabularyReader::read_id(const char* key, TokenId otherwise) const {
  HEARTH_TRY(const auto id, file_.uint_value(key));
  const bool has_default =
      otherwise != kNoToken && static_cast<std::size_t>(otherwise) < vocabulary_.size();
  if (!id) return has_default ? otherwise : kNoToken;
  if (*id >= vocabulary_.size()) {
    return fail(key,
                fmt::format("is {}, outside the vocabulary of {} tokens", *id, vocabulary_.size()));
  }
  return static_cast<TokenId>(*id);
}

// A word piece vocabulary closes a text with its separator: for us that is its end.
Status VocabularyReader::read_special_ids() {
  HEARTH_TRY(vocabulary_.bos, read_id(kBosKey, defaults_->bos));
  HEARTH_TRY(vocabulary_.eos, read_id(is_word_piece() ? kSeparatorKey : kEosKey, defaults_->eos));
  HEARTH_TRY(vocabulary_.unknown, read_id(kUnknownKey, defaults_->unknown));
  return {};
}

Result<bool> VocabularyReader::read_bool(const char* key, bool otherwise) const {
  HEARTH_TRY(const auto value, file_.bool_value(key));
  return value.value_or(otherwise);
}

Status VocabularyReader::read_flags() {
  const bool has_bos = vocabulary_.bos != kNoToken, has_eos = vocabulary_.eos != kNoToken;
  const char* const add_eos_key = is_word_piece() ? kAddSeparatorKey : kAddEosKey;
  HEARTH_TRY(vocabulary_.add_bos, read_bool(kAddBosKey, defaults_->add_bos && has_bos));
  HEARTH_TRY(vocabulary_.add_eos, read_bool(add_eos_key, defaults_->add_eos && has_eos));
  if (vocabulary_.add_bos && !has_bos) {
    return fail(kAddBosKey, fmt::format("is true, but {} is missing", kBosKey));
  }
  if (vocabulary_.add_eos && !has_eos) {
    return fail(add_eos_key, fmt::format("is true, but {} is missing",
                                         is_word_piece() ? kSeparatorKey : kEosKey));
  }
  return read_normalizer();
}

// What is done to text before it is cut.
Status VocabularyReader::read_normalizer() {
  HEARTH_TRY(vocabulary_.nfc, read_bool(kNfcKey, false));
  if (is_word_piece()) {
    HEARTH_TRY(vocabulary_.lower_case, read_bool(kLowerCaseKey, true));
    HEARTH_TRY(vocabulary_.strip_accents, read_bool(kStripAccentsKey, vocabulary_.lower_case));
  }
  if (!has_scores()) return {};
  HEARTH_TRY(vocabulary_.add_space_prefix, read_bool(kSpacePrefixKey, defaults_->add_space_prefix));
  HEARTH_TRY(vocabulary_.remove_extra_spaces, read_bool(kExtraSpacesKey, false));
  HEARTH_CHECK(check_count(kCharsmapKey, kCharsmapBytesMax));
  HEARTH_TRY(const auto bytes, file_.byte_array(kCharsmapKey));
  vocabulary_.charsmap = bytes.value_or("");
  return {};
}

// A text that two tokens share would make encoding ambiguous; no tool of the field reads such
// files.
Status VocabularyReader::check_texts() const {
  TokenIndex seen(vocabulary_.tokens);
  for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
    const std::string& text = vocabulary_.tokens[i];
    const auto id = static_cast<TokenId>(i);
    if (has_scores() && vocabulary_.types[i] == TokenType::byte && spm_byte(text) < 0) {
      return fail(kTokensKey,
                  fmt::format("[{}] is {}, but a byte token is \"<0xXX>\"", id, quoted(text)));
    }
    if (text.empty()) continue;
    if (const TokenId first = seen.insert(id); first != kNoToken) {
      return fail(kTokensKey, fmt::format("[{}] and [{}] are both {}", first, id, quoted(text)));
    }
  }
  return {};
}

// The control or user-defined token with this text.
TokenId VocabularyReader::find_end_token(std::string_view text) const {
  for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
    const TokenType type = vocabulary_.types[i];
    const bool is_special = type == TokenType::control || type == TokenType::user_defined;
    if (is_special && vocabulary_.tokens[i] == text) return static_cast<TokenId>(i);
  }
  return kNoToken;
}

void VocabularyReader::find_end_tokens(std::vector<TokenId> named) {
  std::vector<TokenId>& ends = vocabulary_.end_tokens;
  for (const std::string_view text : kEndTexts) ends.push_back(find_end_token(text));
  const auto has = [&](std::string_view text) { return find_end_token(text) != kNoToken; };
  const auto drop = [&](std::string_view text) { std::erase(ends, find_end_token(text)); };
  // In these families "<|end|>" closes one message of a turn, and "</s>" is not used.
  const bool calls = has("<|call|>") || has("<|calls|>");
  if (calls && (has("<|return|>") || has("<|flush|>"))) drop("<|end|>");
  if (has("<|tool_response>")) drop("</s>");
  ends.insert(ends.end(), named.begin(), named.end());
  std::erase(ends, kNoToken);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

}  // namespace

Result<Vocabulary> read_vocabulary(const GgufFile& file) {
  return VocabularyReader(file).read();
}

}  // namespace hearth
