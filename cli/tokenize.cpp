// hearth tokenize: text to ids, by the model's own tokenizer.
// One line of ids, so that it can be the --tokens-file of other commands.
#include <string>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {

Result<int> run_tokenize(const Options& options) {
  HEARTH_TRY(const std::string text, read_text(options.input));
  std::uint32_t flags = 0;
  if (options.no_special) flags |= HEARTH_NO_SPECIAL;
  if (options.special) flags |= HEARTH_PARSE_SPECIAL;
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  HEARTH_TRY(const auto ids, connection.tokenize(options.model, text, flags));
  std::string line;
  if (options.json) {
    line = json_array(ids);
  } else {
    for (const std::int32_t id : ids) {
      if (!line.empty()) line += ' ';
      line += std::to_string(id);
    }
  }
  HEARTH_CHECK(write_output(line + '\n'));
  return 0;
}

}  // namespace hearth::cli
