// hearth load, hearth unload: have a model in memory, or out of it.
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"

namespace hearth::cli {

Result<int> run_load(const Options& options) {
  const bool load = options.command == Command::load;
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  HEARTH_TRY(const Stream stream, load ? connection.load(options.model, options.keep_alive_s)
                                       : connection.unload(options.model));
  HEARTH_CHECK(show_progress(connection, stream));
  if (!options.json) return 0;
  JsonObject object;
  object.add("model", options.model).add("state", std::string(load ? "ready" : "unloaded"));
  HEARTH_CHECK(write_output(object.text() + '\n'));
  return 0;
}

}  // namespace hearth::cli
