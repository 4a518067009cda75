// hearth embed: the vector that stands for a text.
#include <fmt/format.h>

#include <cmath>
#include <span>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

Result<std::vector<std::int32_t>> input_ids(const Connection& connection, const Options& options) {
  if (!options.input.text && !options.input.file) return read_prompt_tokens(options.input);
  HEARTH_TRY(const std::string text, read_text(options.input));
  return connection.tokenize(options.model, text, /*flags=*/0);
}

// "[0.1,-0.2]"; scaled to length 1 unless that is not wanted.
std::string vector_text(std::span<const float> values, bool normalize) {
  double squares = 0;
  for (const float value : values) squares += std::pow(static_cast<double>(value), 2);
  const double scale = normalize && squares > 0 ? 1 / std::sqrt(squares) : 1;
  std::string text;
  for (const float value : values) {
    text += fmt::format("{}{}", text.empty() ? '[' : ',',
                        static_cast<float>(static_cast<double>(value) * scale));
  }
  return text + ']';
}

}  // namespace

Result<int> run_embed(const Options& options) {
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  HEARTH_TRY(const std::vector<std::int32_t> ids, input_ids(connection, options));
  hearth_eval_options request;
  hearth_eval_options_init(&request);
  request.model = options.model.c_str();
  request.ids = ids.data();
  request.id_count = ids.size();
  request.pooling = options.pooling == "last" ? HEARTH_POOLING_LAST : HEARTH_POOLING_MEAN;
  HEARTH_TRY(const Stream stream, connection.evaluate(request));
  HEARTH_CHECK(show_progress(connection, stream));
  HEARTH_TRY(const hearth_result result, connection.result_of(stream));
  if (result.embedding == nullptr) {
    return Error{Code::CANCELED, "the daemon canceled the evaluation"};
  }
  const std::string vector =
      vector_text({result.embedding, result.embedding_size}, !options.no_normalize);
  if (!options.json) {
    HEARTH_CHECK(write_output(vector + '\n'));
    return 0;
  }
  JsonObject object;
  object.add_json("embedding", vector)
      .add("pooling", options.pooling)
      .add("usage", usage_json(result));
  HEARTH_CHECK(write_output(object.text() + '\n'));
  return 0;
}

}  // namespace hearth::cli
