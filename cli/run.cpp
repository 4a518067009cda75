// hearth run: the text on standard output as it comes, the numbers on standard error.
//
// The first signal cancels the stream and lets it end, so that text and numbers agree; a second one
// gives up waiting.
#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "cli/cache_use.hpp"
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/generation.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

// What has come of the text so far, and where it goes.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  // has_text: the model gives text; else its ids are shown.
  Status take(const hearth_event& event, bool has_text) {
    tokens_.insert(tokens_.end(), event.ids, event.ids + event.id_count);
    text_.append(event.text, event.text_size);
    if (json_ || muted_) return {};
    return has_text ? write_output({event.text, event.text_size}) : write_ids(event);
  }

  // What the tokens were drawn from; told at the end.
  void take_probs(const hearth_event& event) {
    std::string likeliest;
    for (std::size_t i = 1; i < event.prob_count; ++i) {
      if (i > 1) likeliest += ',';
      likeliest += probability_json(event.probs[i]);
    }
    if (!probs_.empty()) probs_ += ',';
    probs_ += fmt::format("{{\"drawn\":{},\"likeliest\":[{}]}}", probability_json(event.probs[0]),
                          likeliest);
  }

  // After a write that was broken off: what follows would have a hole before it.
  void mute() { muted_ = true; }

  // A terminal's prompt belongs on a line of its own; a file gets the text as it is.
  Status end() {
    const bool ended = text_.empty() ? tokens_.empty() : text_.back() == '\n';
    if (json_ || muted_ || ended || !output_is_terminal()) return {};
    return write_output("\n");
  }

  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  const std::string& text() const { return text_; }
  std::string probs_json() const { return fmt::format("[{}]", probs_); }

 private:
  static std::string probability_json(const hearth_probability& one) {
    return fmt::format("{{\"id\":{},\"logprob\":{}}}", one.id, one.log_probability);
  }

  Status write_ids(const hearth_event& event) {
    std::string line;
    for (std::size_t i = 0; i < event.id_count; ++i) {
      if (std::exchange(any_id_, true)) line += ' ';
      line += std::to_string(event.ids[i]);
    }
    return write_output(line);
  }

  const bool json_;
  bool muted_ = false;
  bool any_id_ = false;
  std::vector<std::int32_t> tokens_;
  std::string text_;
  std::string probs_;  // JSON objects with commas between
};

Result<Stream> start(const Connection& connection, const Options& options,
                     const Generation& generation, const std::vector<std::int32_t>& ids,
                     const std::string& text) {
  hearth_generate_options request = generation.request();
  if (ids.empty()) {
    request.prompt = text.data();
    request.prompt_size = text.size();
  } else {
    request.prompt_ids = ids.data();
    request.prompt_id_count = ids.size();
  }
  // Ids are used as given: there is nothing a template could apply to.
  if (options.raw || !ids.empty()) request.raw = 1;
  if (options.raw && ids.empty()) request.token_flags = HEARTH_PARSE_SPECIAL;
  return connection.generate(request);
}

// Whether the model gives text.  Asked when its first tokens are there: then it is loaded, and the
// answer comes at once.
Result<bool> has_vocabulary(const Connection& connection, const std::string& model) {
  const auto text = connection.detokenize(model, {}, /*flags=*/0);
  if (text) return true;
  if (text.error().code == Code::TOKENIZATION) return false;
  return text.error();
}

// Reads the stream to its end.
Status follow(const Connection& connection, const Stream& stream, const Options& options,
              bool given_ids, Output& output) {
  ProgressBar bar;
  hearth_event event;
  hearth_event_init(&event);
  std::optional<bool> has_text;
  if (!given_ids) has_text = true;
  bool canceled = false;
  for (;;) {
    HEARTH_TRY(const bool came, connection.next(stream, event));
    if (!came) {
      take_signal();
      if (std::exchange(canceled, true)) return Error{Code::CANCELED, "interrupted"};
      HEARTH_CHECK(connection.cancel(stream));
      continue;
    }
    if (event.kind == HEARTH_EVENT_DONE) return {};
    if (event.kind == HEARTH_EVENT_PROGRESS) bar.show(event.state, event.progress);
    if (event.kind == HEARTH_EVENT_PROBS) output.take_probs(event);
    if (event.kind != HEARTH_EVENT_TOKENS) continue;
    bar.erase();
    if (!has_text) {
      HEARTH_TRY(has_text, has_vocabulary(connection, options.model));
    }
    const Status taken = output.take(event, *has_text);
    if (taken) continue;
    if (taken.error().code != Code::CANCELED) return taken;
    output.mute();  // next() tells of the signal
  }
}

std::string numbers_text(const hearth_result& result) {
  return fmt::format(
      "{}\n"
      "generated {} tokens, seed {}, stop reason: {}\n"
      "first token after {:.1f} ms; prefill {:.1f} tokens/s, decode {:.1f} tokens/s\n",
      cache_use_text(result), result.completion_tokens, result.seed,
      hearth_stop_reason_name(result.stop_reason), result.ttft_ms, result.prefill_tps,
      result.decode_tps);
}

std::string json_text(const hearth_result& result, const Output& output, const Options& options) {
  JsonObject timings;
  timings.add("ttft_ms", result.ttft_ms)
      .add("prefill_tps", result.prefill_tps)
      .add("decode_tps", result.decode_tps);
  JsonObject json;
  json.add("text", output.text())
      .add("tokens", output.tokens())
      .add("usage", usage_json(result))
      .add_json("cache", cache_use_json(result))
      .add("timings", std::move(timings))
      .add("seed", result.seed)
      .add_json("sampling", result.sampling == nullptr ? "null" : result.sampling)
      .add("stop_reason", std::string(hearth_stop_reason_name(result.stop_reason)));
  if (!options.session.empty()) {
    json.add("session", options.session).add("session_tokens", result.session_tokens);
  }
  if (options.n_probs > 0) json.add_json("probabilities", output.probs_json());
  return json.text() + '\n';
}

}  // namespace

Result<int> run_generate(const Options& options) {
  const bool given_ids = !options.input.text;
  std::vector<std::int32_t> ids;
  std::string text;
  if (given_ids) {
    HEARTH_TRY(ids, read_prompt_tokens(options.input));
  } else {
    HEARTH_TRY(text, read_text(options.input));
  }
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  const SignalHold hold;
  HEARTH_TRY(const Generation generation, Generation::create(options));
  HEARTH_TRY(const Stream stream, start(connection, options, generation, ids, text));
  Output output(options.json);
  HEARTH_CHECK(follow(connection, stream, options, given_ids, output));
  HEARTH_TRY(const hearth_result result, connection.result_of(stream));
  HEARTH_CHECK(output.end());
  if (options.json) {
    HEARTH_CHECK(write_output(json_text(result, output, options)));
  } else {
    std::fputs(numbers_text(result).c_str(), stderr);
  }
  return caught_signal() == 0 ? 0 : 128 + caught_signal();
}

}  // namespace hearth::cli
