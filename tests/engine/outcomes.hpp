// What came out of requests, from the notices of an engine or of a scheduler.
#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/clock.hpp"
#include "engine/messages.hpp"

namespace hearth {

// What came out of one request.
struct Outcome {
  std::vector<TokenId> tokens;
  std::string text;
  std::vector<float> logits;
  std::vector<std::vector<TokenProbability>> probs;
  std::vector<float> embedding;
  std::optional<DoneNotice> done;
  std::optional<Error> failed;
  std::vector<std::int64_t> token_times_ns;
  bool over() const { return done || failed; }
};

// What a message begins with.
template <class T>
T head_of(std::span<const std::byte> message) {
  T value;
  std::memcpy(&value, message.data(), sizeof(value));
  return value;
}

class Outcomes {
 public:
  Outcome& operator[](RequestId request) { return all_[request]; }

  // What a notice says of a request; nothing for notices of something else.
  void take(Notice notice, std::span<const std::byte> message) {
    switch (notice) {
      case Notice::failed:
        all_[head_of<FailedNotice>(message).request].failed = error_of(message);
        break;
      case Notice::done: {
        const auto done = head_of<DoneNotice>(message);
        all_[done.request].done = done;
        break;
      }
      case Notice::tokens: take_tokens(message); break;
      case Notice::probs: {
        const auto probs = head_of<ProbsNotice>(message);
        auto& told = all_[probs.request].probs.emplace_back();
        append(told, message.subspan(sizeof(probs)), probs.count);
        break;
      }
      case Notice::embedding: {
        const auto embedding = head_of<EmbeddingNotice>(message);
        std::vector<float>& vector = all_[embedding.request].embedding;
        vector.clear();
        append(vector, message.subspan(sizeof(embedding)), embedding.size);
        break;
      }
      case Notice::logits: {
        const auto logits = head_of<LogitsNotice>(message);
        append(all_[logits.request].logits, message.subspan(sizeof(logits)),
               std::size_t{logits.row_count} * logits.row_size);
        break;
      }
      default: break;
    }
  }

 private:
  template <class T>
  static void append(std::vector<T>& to, std::span<const std::byte> from, std::size_t count) {
    to.resize(to.size() + count);
    std::memcpy(to.data() + to.size() - count, from.data(), count * sizeof(T));
  }
  void take_tokens(std::span<const std::byte> message) {
    const auto tokens = head_of<TokensNotice>(message);
    const auto rest = message.subspan(sizeof(tokens));
    Outcome& outcome = all_[tokens.request];
    append(outcome.tokens, rest, tokens.id_count);
    outcome.token_times_ns.resize(outcome.tokens.size(), now_ns());
    outcome.text.append(
        reinterpret_cast<const char*>(rest.data()) + tokens.id_count * sizeof(TokenId),
        tokens.text_size);
  }

  std::map<RequestId, Outcome> all_;
};

}  // namespace hearth
