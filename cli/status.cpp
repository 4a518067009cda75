// hearth models, hearth ps, hearth stats: the daemon's documents, as tables.
//
// What the daemon does not know yet is "-".  --json gives its document as it came.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"

namespace hearth::cli {
namespace {

std::string exact(JsonView value) {
  return value.known() ? fmt::format("{:.0f}", value.number()) : "-";
}
std::string brief(JsonView value) {
  return value.known() ? count_text(value.number()) : "-";
}
std::string bytes(JsonView value) {
  return value.known() ? bytes_text(value.number()) : "-";
}
std::string name(JsonView value) {
  return value.known() ? value.string() : "-";
}

// "3m of 30m": how long nobody has used a model that is loaded, and how long it stays then.
std::string idle(JsonView model) {
  if (name(model["state"]) != "ready") return "-";
  if (model["has_to_go"].boolean()) return "has to go";
  std::string text = duration_text(model["idle_s"].number());
  if (model["keep_alive_s"].known()) {
    text += " of " + duration_text(model["keep_alive_s"].number());
  }
  return text;
}

std::string models_text(JsonView document) {
  Table table({"ID", "STATE", "ARCHITECTURE", ">PARAMETERS", "WEIGHTS", ">SIZE", ">CONTEXT",
               ">VOCAB", "TOKENIZER", "PATH"});
  std::string errors;
  document["models"].each([&](JsonView model) {
    table.add({name(model["id"]), name(model["state"]), name(model["architecture"]),
               brief(model["parameters"]), name(model["weights"]), bytes(model["file_bytes"]),
               exact(model["context"]), exact(model["vocab"]), name(model["tokenizer"]),
               name(model["path"])});
    if (model["error"].known()) {
      errors += printable(fmt::format("{}: {}", name(model["id"]), name(model["error"]))) + '\n';
    }
  });
  return table.text() + errors;
}

std::string ps_text(JsonView document) {
  const JsonView daemon = document["daemon"];
  Table models({"MODEL", "STATE", ">CONTEXT", "KV", "KERNELS", ">THREADS", ">MEMORY", ">RUNNING",
                ">QUEUED", ">IDLE"});
  document["models"].each([&](JsonView model) {
    std::string state = name(model["state"]);
    if (state == "loading") state += fmt::format(" {:.0f}%", 100 * model["progress"].number());
    models.add({name(model["id"]), state, exact(model["context"]), name(model["kv_type"]),
                name(model["tier"]), exact(model["threads"]), bytes(model["memory_bytes"]),
                exact(model["running"]), exact(model["queued"]), idle(model)});
  });
  Table requests({">REQUEST", "MODEL", "VERB", "CLIENT", ">UID", ">AGE", ">PROMPT", ">GENERATED"});
  document["requests"].each([&](JsonView request) {
    requests.add({exact(request["id"]), name(request["model"]), name(request["verb"]),
                  name(request["client"]), exact(request["uid"]),
                  duration_text(request["age_s"].number()), exact(request["prompt_tokens"]),
                  exact(request["completion_tokens"])});
  });
  std::string text = fmt::format("hearthd {}, pid {}, up {}, socket {}, connections: {}{}\n\n",
                                 name(daemon["version"]), exact(daemon["pid"]),
                                 duration_text(daemon["uptime_s"].number()),
                                 printable(name(daemon["socket"])), exact(daemon["connections"]),
                                 daemon["draining"].boolean() ? ", shutting down" : "");
  text += models.text();
  if (!requests.empty()) text += '\n' + requests.text();
  return text;
}

// Who has what of the caches: "" when nobody has anything that we may see.
std::string cache_users_text(JsonView document) {
  Table users({"MODEL", "USER", ">PAGES", ">IN USE", ">KV BYTES", ">QUOTA"});
  document["models"].each([&](JsonView model) {
    model["users"].each([&](JsonView user) {
      std::string who = "a former group";
      if (user["uid"].known()) who = "uid " + exact(user["uid"]);
      if (user["group"].known()) who = "group " + name(user["group"]);
      if (user["published"].boolean()) who = "everybody (published)";
      users.add({name(model["id"]), who, exact(user["pages"]), exact(user["pages_in_use"]),
                 bytes(user["bytes"]), bytes(user["quota_bytes"])});
    });
  });
  return users.empty() ? "" : users.text();
}

std::string stats_text(JsonView document) {
  const JsonView daemon = document["daemon"];
  Table totals({">UP", ">CONNECTIONS", ">EVER", ">REQUESTS", ">ERRORS", ">RESIDENT", ">FDS",
                ">MODELS", ">MODEL LIMIT", ">KV USED", ">KV LIMIT"});
  totals.add({duration_text(daemon["uptime_s"].number()), exact(daemon["connections"]),
              exact(daemon["connections_total"]), exact(daemon["requests_total"]),
              exact(daemon["errors_total"]), bytes(daemon["rss_bytes"]), exact(daemon["open_fds"]),
              bytes(daemon["model_bytes_used"]), bytes(daemon["model_bytes_limit"]),
              bytes(daemon["kv_bytes_used"]), bytes(daemon["kv_bytes_limit"])});
  Table models({"MODEL", ">LOADS", ">PROMPT ROWS", ">GENERATED ROWS", ">CACHED TOKENS", ">STEPS",
                ">PAGES IN USE", ">PAGES CACHED", ">EVICTIONS", ">PREEMPTIONS"});
  document["models"].each([&](JsonView model) {
    models.add({name(model["id"]), exact(model["loads"]), exact(model["rows"]["prompt"]),
                exact(model["rows"]["generated"]), exact(model["cached_tokens"]),
                exact(model["steps"]), exact(model["pages"]["in_use"]),
                exact(model["pages"]["cached"]), exact(model["evictions"]),
                exact(model["preemptions"])});
  });
  std::string text = totals.text() + '\n' + models.text();
  const std::string users = cache_users_text(document);
  return users.empty() ? text : text + '\n' + users;
}

}  // namespace

Result<int> run_status(const Options& options) {
  const int kind = options.command == Command::models ? HEARTH_QUERY_MODELS
                   : options.command == Command::ps   ? HEARTH_QUERY_PS
                                                      : HEARTH_QUERY_STATS;
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  HEARTH_TRY(std::string text, connection.query(kind));
  if (options.json) {
    HEARTH_CHECK(write_output(text + '\n'));
    return 0;
  }
  const JsonDocument document(text);
  if (!document.valid()) return Error{Code::PROTOCOL, "the daemon sent a document that is no JSON"};
  switch (options.command) {
    case Command::models: text = models_text(document.view()); break;
    case Command::ps: text = ps_text(document.view()); break;
    default: text = stats_text(document.view()); break;
  }
  HEARTH_CHECK(write_output(text));
  return 0;
}

}  // namespace hearth::cli
