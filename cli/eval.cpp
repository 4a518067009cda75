// hearth eval: the likelihood of given tokens, and the logits of every position.
#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/output_file.hpp"
#include "cli/progress_bar.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "logits are written as they are");

// Reads the stream to its end; rows of logits go to the file, where there is one.
Status follow(Connection& connection, const Stream& stream, std::optional<OutputFile>& file) {
  ProgressBar bar;
  hearth_event event;
  hearth_event_init(&event);
  std::int64_t rows = 0;
  for (;;) {
    HEARTH_TRY(const bool came, connection.next(stream, event));
    if (interrupted()) return Error{Code::CANCELED, "interrupted"};
    if (!came) continue;
    if (event.kind == HEARTH_EVENT_DONE) return {};
    if (event.kind == HEARTH_EVENT_PROGRESS) bar.show(event.state, event.progress);
    if (event.kind != HEARTH_EVENT_LOGITS || !file) continue;
    bar.erase();
    if (event.logits_position != rows) {
      return Error{Code::PROTOCOL, fmt::format("logits of position {} came, {} was next",
                                               event.logits_position, rows)};
    }
    rows += static_cast<std::int64_t>(event.logits_rows);
    HEARTH_CHECK(
        file->write(std::as_bytes(std::span(event.logits, event.logits_rows * event.logits_cols))));
  }
}

}  // namespace

Result<int> run_eval(Connection& connection, const Options& options) {
  HEARTH_TRY(const std::vector<std::int32_t> ids, read_tokens(options.input));
  std::optional<OutputFile> file;
  if (!options.logits_out.empty()) {
    HEARTH_TRY(OutputFile created, OutputFile::create(options.logits_out));
    file.emplace(std::move(created));
  }
  hearth_eval_options request;
  hearth_eval_options_init(&request);
  request.model = options.model.c_str();
  request.ids = ids.data();
  request.id_count = ids.size();
  request.want_logits = file ? 1 : 0;
  watch_for_interrupt();
  hearth_stream* raw = nullptr;
  HEARTH_CHECK(connection.check(hearth_eval(connection.client(), &request, &raw)));
  const Stream stream(raw);
  const Status followed = follow(connection, stream, file);
  if (!followed && followed.error().code == Code::CANCELED) return kExitInterrupted;
  HEARTH_CHECK(followed);
  if (file) HEARTH_CHECK(file->commit());

  hearth_result result;
  hearth_result_init(&result);
  HEARTH_CHECK(connection.check(hearth_stream_result(stream.get(), &result)));
  const double perplexity = std::exp(result.mean_nll);
  if (options.json) {
    JsonObject json;
    json.add("tokens", result.prompt_tokens)
        .add("cached_tokens", result.cached_tokens)
        .add("mean_nll", result.mean_nll)
        .add("perplexity", perplexity);
    fmt::print("{}\n", json.text());
  } else {
    fmt::print("mean NLL {:.6f} nats over {} predictions, perplexity {:.4f}\n", result.mean_nll,
               result.prompt_tokens - 1, perplexity);
  }
  return 0;
}

}  // namespace hearth::cli
