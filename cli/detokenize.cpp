// hearth detokenize: ids to text, by the model's own tokenizer.
// Exactly the bytes of the text; only a terminal gets an end of line after them.
#include <string>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {

Result<int> run_detokenize(const Options& options) {
  HEARTH_TRY(const auto ids, read_tokens(options.input));
  const std::uint32_t flags = options.special ? HEARTH_PARSE_SPECIAL : 0;
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  HEARTH_TRY(std::string text, connection.detokenize(options.model, ids, flags));
  if (options.json) {
    JsonObject json;
    json.add("text", text);
    text = json.text() + '\n';
  } else if (output_is_terminal() && !text.ends_with('\n')) {
    text += '\n';
  }
  HEARTH_CHECK(write_output(text));
  return 0;
}

}  // namespace hearth::cli
