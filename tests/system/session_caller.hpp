// A client that takes turns of kept sessions, greedily, in tokens.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/system/connected_client.hpp"

namespace hearth {

class SessionCaller : public ConnectedClient {
 public:
  SessionCaller(const DaemonProcess& daemon, std::string model)
      : ConnectedClient(daemon), model_(std::move(model)) {}

  using Tokens = std::vector<std::int32_t>;
  struct Turn {
    int code;
    hearth_result result;
    Tokens tokens;
  };
  // session: nullptr for a request of its own.
  Turn turn(const char* session, const Tokens& prompt, int max_tokens = 20) const {
    Turn turn = {};
    hearth_generate_options options;
    hearth_generate_options_init(&options);
    options.model = model_.c_str();
    static const std::int32_t kNone = 0;
    options.prompt_ids = prompt.empty() ? &kNone : prompt.data();
    options.prompt_id_count = prompt.size();
    options.max_tokens = max_tokens;
    options.temperature = 0;
    options.ignore_eos = 1;
    options.session = session;
    hearth_result_init(&turn.result);
    turn.code = hearth_generate_each(get(), &options, collect, &turn.tokens, &turn.result);
    return turn;
  }

 private:
  static int collect(const hearth_event* event, void* user) {
    auto& tokens = *static_cast<Tokens*>(user);
    tokens.insert(tokens.end(), event->ids, event->ids + event->id_count);
    return 1;
  }

  const std::string model_;
};

}  // namespace hearth
