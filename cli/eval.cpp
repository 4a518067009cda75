// hearth eval: the likelihood of given tokens, and the logits of every position.
//
// Logits go row by row into a file that gets its name only when it is whole.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <optional>

#include "cli/cache_use.hpp"
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/output_file.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "logits are written as they are");

// Reads the stream to its end; rows of logits go to the file, where there is one.
Result<std::int64_t> follow(const Connection& connection, const Stream& stream,
                            std::optional<OutputFile>& file) {
  ProgressBar bar;
  hearth_event event;
  hearth_event_init(&event);
  std::int64_t rows = 0;
  for (;;) {
    HEARTH_TRY(const bool came, connection.next(stream, event));
    if (!came) return Error{Code::CANCELED, "interrupted"};
    if (event.kind == HEARTH_EVENT_DONE) return rows;
    if (event.kind == HEARTH_EVENT_PROGRESS) bar.show(event.state, event.progress);
    if (event.kind != HEARTH_EVENT_LOGITS || !file) continue;
    if (event.logits_position != rows) {
      return Error{Code::PROTOCOL, fmt::format("logits of position {} came, {} was next",
                                               event.logits_position, rows)};
    }
    rows += static_cast<std::int64_t>(event.logits_rows);
    HEARTH_CHECK(
        file->write(std::as_bytes(std::span(event.logits, event.logits_rows * event.logits_cols))));
  }
}

Status tell(const hearth_result& result, bool json) {
  const double perplexity = std::exp(result.mean_nll);
  if (!json) {
    std::fputs(
        fmt::format("{}\nprefill {:.1f} tokens/s\n", cache_use_text(result), result.prefill_tps)
            .c_str(),
        stderr);
    return write_output(
        fmt::format("mean NLL {:.6f}\nperplexity {:.6f}\n", result.mean_nll, perplexity));
  }
  JsonObject object;
  object.add("mean_nll", result.mean_nll)
      .add("perplexity", perplexity)
      .add("tokens", result.prompt_tokens)
      .add("usage", usage_json(result))
      .add_json("cache", cache_use_json(result));
  return write_output(object.text() + '\n');
}

}  // namespace

Result<int> run_eval(const Options& options) {
  HEARTH_TRY(const std::vector<std::int32_t> ids, read_prompt_tokens(options.input));
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  const SignalHold hold;  // from here a file may have to be removed
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
  if (file) request.want_logits = 1;
  HEARTH_TRY(const Stream stream, connection.evaluate(request));
  HEARTH_TRY(const std::int64_t rows, follow(connection, stream, file));
  HEARTH_TRY(const hearth_result result, connection.result_of(stream));
  if (result.stop_reason == HEARTH_STOP_CANCELED) {
    return Error{Code::CANCELED, "the daemon canceled the evaluation"};
  }
  if (file) {
    if (rows != static_cast<std::int64_t>(ids.size())) {
      return Error{Code::PROTOCOL,
                   fmt::format("logits of {} positions came, not of {}", rows, ids.size())};
    }
    HEARTH_CHECK(file->commit());
  }
  HEARTH_CHECK(tell(result, options.json));
  return 0;
}

}  // namespace hearth::cli
