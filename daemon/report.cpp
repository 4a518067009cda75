// See report.hpp.
#include "daemon/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "daemon/json.hpp"
#include "daemon/server.hpp"
#include "daemon/session.hpp"
#include "engine/clock.hpp"

namespace hearth {
namespace {

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) / 1e9;
}

const char* kv_type_name(std::uint32_t format) {
  return kernels::kv_format_info(static_cast<kernels::KvFormat>(format)).name;
}

const char* verb_name(hearth_verb verb) {
  switch (verb) {
#define HEARTH_VERB_NAME_(name, value, text) \
  case HEARTH_VERB_##name: return #name;
    HEARTH_VERB_MAP(HEARTH_VERB_NAME_)
#undef HEARTH_VERB_NAME_
  }
  return "?";
}

// A number that is known, or null.
void add_known(JsonWriter& json, const char* key, std::uint64_t value) {
  if (value == 0) {
    json.add_null(key);
  } else {
    json.add(key, value);
  }
}

void add_known(JsonWriter& json, const char* key, const std::string& value) {
  if (value.empty()) {
    json.add_null(key);
  } else {
    json.add(key, value);
  }
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors() {
  std::error_code error;
  const auto listing = std::filesystem::directory_iterator("/proc/self/fd", error);
  if (error) return 0;
  return static_cast<std::uint64_t>(std::distance(begin(listing), end(listing)));
}

JsonWriter model_of_ps(const ServedModel& model, const Residency& residency, int threads) {
  JsonWriter json;
  const bool ready = model.state() == ModelState::ready;
  const LoadedNotice& loaded = model.loaded();
  const EngineStats stats = model.stats();
  json.add("id", model.id())
      .add("state", model_state_name(model.state()))
      .add("progress", ready ? 1.0 : model.progress());
  add_known(json, "context", ready ? loaded.context : 0);
  add_known(json, "kv_type", std::string(ready ? kv_type_name(loaded.kv_format) : ""));
  add_known(json, "tier", std::string(ready ? loaded.tier : ""));
  const Residency::Use& use = residency.use_of(model);
  json.add("threads", threads);
  add_known(json, "memory_bytes", model.in_memory() ? model.memory_bytes() : 0);
  json.add("idle_s", use.users > 0 ? 0.0 : seconds_since(use.last_used_ns));
  if (use.keep_alive_s == Residency::kForever) {
    json.add_null("keep_alive_s");
  } else {
    json.add("keep_alive_s", use.keep_alive_s);
  }
  json.add("has_to_go", use.has_to_go()).add("running", stats.running).add("queued", stats.queued);
  return json;
}

// The NUMA nodes that have workers, and how many.
JsonWriter numa_of_stats(const Server& server) {
  JsonWriter list = JsonWriter::array();
  if (server.workers() == nullptr) return list;
  const cache::WorkerPlaces& places = server.workers()->places();
  for (const int node : places.nodes) {
    JsonWriter json;
    json.add("node", node).add("workers", std::uint64_t{places.count_on(node)});
    list.push(std::move(json));
  }
  return list;
}

// How much of a model's weights lies on each of these nodes; nothing where they were not placed, or
// are not in memory.
JsonWriter weights_of_stats(const Server& server, const ServedModel& model) {
  JsonWriter list = JsonWriter::array();
  if (!model.in_memory()) return list;
  for (std::size_t i = 0; i < model.bytes_on_node().size(); ++i) {
    JsonWriter json;
    json.add("node", server.workers()->places().nodes[i]).add("bytes", model.bytes_on_node()[i]);
    list.push(std::move(json));
  }
  return list;
}

// What users and groups keep of a model's cache: the asker's own, or everybody's for an
// administrator.
JsonWriter cache_uses_of_stats(const Server& server, const ServedModel& model,
                               const Session& asker) {
  std::vector<cache::NamespaceUse> uses = model.cache_uses();
  std::ranges::sort(uses, {}, &cache::NamespaceUse::id);
  JsonWriter list = JsonWriter::array();
  for (const cache::NamespaceUse& use : uses) {
    const bool published = use.id == cache::kPublishedNamespace;
    if (use.id != asker.namespace_id() && !asker.is_administrator() && !published) continue;
    JsonWriter json;
    if (UserGroups::is_uid(use.id)) {
      json.add("uid", use.id);
    } else {
      json.add_null("uid");
    }
    const std::string* group = server.config().groups.group_name(use.id);
    add_known(json, "group", group != nullptr ? *group : "");
    json.add("pages", use.pages_in_use + use.pages_cached)
        .add("pages_in_use", use.pages_in_use)
        .add("bytes", use.bytes)
        .add("checkpoints", use.checkpoints)
        .add("checkpoint_bytes", use.checkpoint_bytes)
        .add("published", published);
    add_known(json, "quota_bytes", published ? 0 : server.config().user_kv_bytes);
    list.push(std::move(json));
  }
  return list;
}

JsonWriter choice(const chat::ChatChoice& chosen) {
  JsonWriter json;
  json.add("value", chosen.value).add("from", std::string(chosen.from));
  return json;
}

// How it chats, and who decided; or why it does not.
JsonWriter chat_of_model(const ServedModel& model) {
  JsonWriter json;
  const chat::ChatFormat* format = model.chat_format().get();
  if (format == nullptr) {
    add_known(json, "error", model.chat_error().message);
    return json;
  }
  json.add("renderer", choice(format->renderer()))
      .add("template", choice(format->source()))
      .add("parser", choice(format->parser()))
      .add("dialect", std::string(format->dialect().name));
  add_known(json, "warning", format->warning());
  return json;
}

}  // namespace

std::string models_document(Server& server) {
  JsonWriter list = JsonWriter::array();
  for (const auto& model : server.models()) {
    JsonWriter json;
    json.add("id", model->id())
        .add("path", model->path())
        .add("state", model_state_name(model->state()));
    if (model->state() == ModelState::failed) json.add("error", model->error().message);
    const ModelFacts& facts = model->facts();
    add_known(json, "architecture", facts.architecture);
    add_known(json, "parameters", facts.parameters);
    add_known(json, "file_bytes", facts.file_bytes);
    add_known(json, "context",
              model->state() == ModelState::ready ? model->loaded().context : facts.context_length);
    add_known(json, "vocab", facts.vocab);
    add_known(json, "tokenizer", facts.tokenizer);
    add_known(json, "weights", facts.weights);
    json.add("chat", chat_of_model(*model));
    list.push(std::move(json));
  }
  JsonWriter document;
  document.add("models", std::move(list));
  return document.text();
}

std::string ps_document(Server& server, uid_t asker) {
  JsonWriter daemon;
  daemon.add("version", HEARTH_VERSION_STRING)
      .add("pid", static_cast<std::int64_t>(getpid()))
      .add("uptime_s", seconds_since(server.started_ns()))
      .add("socket", server.socket())
      .add("connections", std::uint64_t{server.connection_count()})
      .add("draining", server.draining());
  JsonWriter models = JsonWriter::array();
  for (const auto& model : server.models()) {
    models.push(model_of_ps(*model, server.residency(), server.threads()));
  }

  std::vector<const Request*> open;
  for (const auto& [id, request] : server.dispatcher().requests()) {
    const bool visible = request->session != nullptr && request->model != nullptr &&
                         (asker == 0 || asker == request->session->uid());
    if (visible) open.push_back(request.get());
  }
  std::ranges::sort(open, {}, &Request::id);
  JsonWriter requests = JsonWriter::array();
  for (const Request* request : open) {
    JsonWriter json;
    json.add("id", request->id)
        .add("model", request->model->id())
        .add("client", request->session->client_name())
        .add("uid", std::uint64_t{request->session->uid()})
        .add("verb", verb_name(request->verb))
        .add("age_s", seconds_since(request->received_ns));
    add_known(json, "prompt_tokens", request->submit.prompt_count);
    json.add("completion_tokens", request->completion_tokens);
    requests.push(std::move(json));
  }
  JsonWriter document;
  document.add("daemon", std::move(daemon))
      .add("models", std::move(models))
      .add("requests", std::move(requests));
  return document.text();
}

std::string stats_document(Server& server, const Session& asker) {
  JsonWriter daemon;
  daemon.add("uptime_s", seconds_since(server.started_ns()))
      .add("connections", std::uint64_t{server.connection_count()})
      .add("connections_total", server.connections_total())
      .add("requests_total", server.dispatcher().count_total())
      .add("errors_total", server.dispatcher().errors_total())
      .add("rss_bytes", resident_bytes())
      .add("open_fds", open_descriptors())
      .add("kv_bytes_used", server.budget().used())
      .add("kv_bytes_limit", server.budget().limit())
      .add("model_bytes_used", server.residency().bytes_used())
      .add("model_bytes_limit", server.residency().bytes_limit())
      .add("numa", numa_of_stats(server));
  JsonWriter models = JsonWriter::array();
  for (const auto& model : server.models()) {
    const EngineStats stats = model->stats();
    JsonWriter rows;
    rows.add("prompt", stats.prompt_rows).add("generated", stats.generated_rows);
    JsonWriter pages;
    pages.add("total", stats.pages_total)
        .add("backed", stats.pages_backed)
        .add("in_use", stats.pages_in_use)
        .add("cached", stats.pages_cached)
        .add("damaged", stats.pages_damaged)
        .add("bytes", model->loaded().page_bytes)
        .add("tokens", model->loaded().page_tokens);
    const cache::Recovery& start = model->loaded().cache_start;
    JsonWriter cache_start;
    cache_start.add("cold", cache::cold_reason_name(start.cold))
        .add("kept", start.kept)
        .add("unfinished", start.unfinished)
        .add("damaged", start.damaged)
        .add("orphaned", start.orphaned)
        .add("over_budget", start.over_budget);
    JsonWriter json;
    json.add("id", model->id())
        .add("loads", model->load_count())
        .add("rows", std::move(rows))
        .add("cached_tokens", stats.cached_tokens)
        .add("steps", stats.steps)
        .add("preemptions", stats.preemptions)
        .add("evictions", stats.evictions)
        .add("pages", std::move(pages))
        .add("cache_start", std::move(cache_start))
        .add("users", cache_uses_of_stats(server, *model, asker))
        .add("weights", weights_of_stats(server, *model))
        .add("running", stats.running)
        .add("queued", stats.queued);
    models.push(std::move(json));
  }
  JsonWriter document;
  document.add("daemon", std::move(daemon)).add("models", std::move(models));
  return document.text();
}

}  // namespace hearth
