// hearth run: the text on standard output as it comes, the numbers on standard error.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

// What has come of the text so far, and where it goes.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  Status take(const hearth_event& event, bool has_text) {
    tokens_.insert(tokens_.end(), event.ids, event.ids + event.id_count);
    text_.append(event.text, event.text_size);
    if (json_) return {};
    return has_text ? print({event.text, event.text_size}) : print_ids(event);
  }

  // A terminal's prompt belongs on a line of its own; a file gets the text as it is.
  Status end() {
    const bool ended = text_.empty() ? tokens_.empty() : text_.back() == '\n';
    if (json_ || ended || isatty(STDOUT_FILENO) != 1) return {};
    return print("\n");
  }

  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  const std::string& text() const { return text_; }

 private:
  static Status print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
      return from_errno("write to standard output");
    }
    return {};
  }
  Status print_ids(const hearth_event& event) {
    std::string line;
    for (std::size_t i = 0; i < event.id_count; ++i) {
      if (std::exchange(any_id_, true)) line += ' ';
      line += std::to_string(event.ids[i]);
    }
    return print(line);
  }

  const bool json_;
  bool any_id_ = false;
  std::vector<std::int32_t> tokens_;
  std::string text_;
};

Result<Stream> start(Connection& connection, const Options& options,
                     const std::vector<std::int32_t>& ids, const std::string& text) {
  std::vector<const char*> stops;
  for (const std::string& stop : options.stop) stops.push_back(stop.c_str());
  hearth_generate_options request;
  hearth_generate_options_init(&request);
  request.model = options.model.c_str();
  if (ids.empty()) {
    request.prompt = text.data();
    request.prompt_size = text.size();
  } else {
    request.prompt_ids = ids.data();
    request.prompt_id_count = ids.size();
  }
  request.raw = options.raw ? 1 : 0;
  request.token_flags = options.raw && ids.empty() ? HEARTH_PARSE_SPECIAL : 0;
  request.max_tokens = options.max_tokens;
  request.temperature = options.temperature;
  request.top_k = options.top_k;
  request.top_p = options.top_p;
  request.seed = options.seed;
  request.stop = stops.data();
  request.stop_count = stops.size();
  request.ignore_eos = options.ignore_eos ? 1 : 0;
  hearth_stream* stream = nullptr;
  HEARTH_CHECK(connection.check(hearth_generate(connection.client(), &request, &stream)));
  return Stream(stream);
}

// Whether the model gives text.  Asked when its first tokens are there: then it is loaded.
Result<bool> has_vocabulary(const Connection& connection, const std::string& model) {
  HEARTH_TRY(const std::string text, connection.query(HEARTH_QUERY_MODELS));
  bool has = true;
  JsonDocument(text).view()["models"].each([&](JsonView entry) {
    if (entry["id"].string() == model) has = entry["tokenizer"].known();
  });
  return has;
}

// Reads the stream to its end.
Status follow(Connection& connection, const Stream& stream, const Options& options, bool given_ids,
              Output& output) {
  ProgressBar bar;
  hearth_event event;
  hearth_event_init(&event);
  std::optional<bool> has_text;
  if (!given_ids) has_text = true;
  bool canceled = false;
  for (;;) {
    HEARTH_TRY(const bool came, connection.next(stream, event));
    if (interrupted() && !std::exchange(canceled, true)) {
      HEARTH_CHECK(connection.check(hearth_stream_cancel(stream.get())));
    }
    if (!came) continue;
    switch (event.kind) {
      case HEARTH_EVENT_PROGRESS: bar.show(event.state, event.progress); break;
      case HEARTH_EVENT_TOKENS:
        bar.erase();
        if (!has_text) {
          HEARTH_TRY(const bool has, has_vocabulary(connection, options.model));
          has_text = has;
        }
        HEARTH_CHECK(output.take(event, *has_text));
        break;
      case HEARTH_EVENT_DONE: return {};
      default: break;
    }
  }
}

void print_numbers(const hearth_result& result) {
  fmt::print(stderr, "cached {} of {} prompt tokens; generated {} tokens, stop reason: {}\n",
             result.cached_tokens, result.prompt_tokens, result.completion_tokens,
             hearth_stop_reason_name(result.stop_reason));
  fmt::print(stderr,
             "first token after {:.1f} ms; prefill {:.1f} tokens/s, decode {:.1f} tokens/s\n",
             result.ttft_ms, result.prefill_tps, result.decode_tps);
}

void print_json(const hearth_result& result, const Output& output) {
  JsonObject usage;
  usage.add("prompt_tokens", result.prompt_tokens)
      .add("cached_tokens", result.cached_tokens)
      .add("completion_tokens", result.completion_tokens);
  JsonObject timings;
  timings.add("ttft_ms", result.ttft_ms)
      .add("prefill_tps", result.prefill_tps)
      .add("decode_tps", result.decode_tps);
  JsonObject json;
  json.add("text", output.text())
      .add("tokens", output.tokens())
      .add("usage", std::move(usage))
      .add("timings", std::move(timings))
      .add("seed", result.seed)
      .add("stop_reason", std::string(hearth_stop_reason_name(result.stop_reason)));
  fmt::print("{}\n", json.text());
}

}  // namespace

Result<int> run_generate(Connection& connection, const Options& options) {
  const bool given_ids = !options.input.tokens.empty() || !options.input.tokens_file.empty();
  std::vector<std::int32_t> ids;
  std::string text;
  if (given_ids) {
    HEARTH_TRY(ids, read_tokens(options.input));
  } else {
    HEARTH_TRY(text, read_text(options.input));
  }
  watch_for_interrupt();
  HEARTH_TRY(const Stream stream, start(connection, options, ids, text));
  Output output(options.json);
  HEARTH_CHECK(follow(connection, stream, options, given_ids, output));
  hearth_result result;
  hearth_result_init(&result);
  HEARTH_CHECK(connection.check(hearth_stream_result(stream.get(), &result)));
  HEARTH_CHECK(output.end());
  if (options.json) {
    print_json(result, output);
  } else {
    print_numbers(result);
  }
  return interrupted() ? kExitInterrupted : 0;
}

}  // namespace hearth::cli
