// hearth render: the prompt that a model's template makes of messages.
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/conversation.hpp"
#include "cli/json.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {

Result<int> run_render(const Options& options) {
  HEARTH_TRY(const std::string messages, read_file(options.messages_file));
  std::string tools;
  if (!options.tools_file.empty()) {
    HEARTH_TRY(tools, read_file(options.tools_file));
  }
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  hearth_conversation conversation = conversation_of(messages, options.reasoning);
  if (!tools.empty()) conversation.tools = tools.c_str();
  if (!options.template_arguments.empty()) {
    conversation.template_arguments = options.template_arguments.c_str();
  }
  char* json = nullptr;
  HEARTH_CHECK(connection.call([&](hearth_client* client) {
    return hearth_render(client, options.model.c_str(), &conversation, &json);
  }));
  const Owned<char> owned(json);
  if (options.json) {
    HEARTH_CHECK(write_output(std::string(json) + '\n'));
    return 0;
  }
  const JsonDocument document(json);
  HEARTH_CHECK(write_output(document.view()["prompt"].string()));
  return 0;
}

}  // namespace hearth::cli
