// hearth models, hearth ps, hearth stats: the daemon's documents, as tables.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.hpp"
#include "cli/json.hpp"

namespace hearth::cli {
namespace {

std::string bytes_text(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, units[unit]);
}

std::string count_text(JsonView value) {
  return value.known() ? fmt::format("{:.0f}", value.number()) : "-";
}

std::string text_or_dash(JsonView value) {
  return value.known() ? value.string() : "-";
}

std::string parameters_text(JsonView value) {
  if (!value.known()) return "-";
  const double count = value.number();
  if (count >= 1e9) return fmt::format("{:.1f}B", count / 1e9);
  return count >= 1e6 ? fmt::format("{:.1f}M", count / 1e6) : fmt::format("{:.0f}K", count / 1e3);
}

// Columns as wide as their widest cell, two spaces between; the first row is the heading.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      line += last ? row[i] : fmt::format("{:<{}}", row[i], widths[i] + 2);
    }
    fmt::print("{}\n", line);
  }
}

void print_models(JsonView document) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATE", "ARCHITECTURE", "PARAMETERS", "WEIGHTS", "SIZE", "CONTEXT", "PATH"}};
  std::string errors;
  document["models"].each([&](JsonView model) {
    rows.push_back({model["id"].string(), model["state"].string(),
                    text_or_dash(model["architecture"]), parameters_text(model["parameters"]),
                    text_or_dash(model["weights"]),
                    model["file_bytes"].known() ? bytes_text(model["file_bytes"].number()) : "-",
                    count_text(model["context"]), model["path"].string()});
    if (model["error"].known()) {
      errors += fmt::format("{}: {}\n", model["id"].string(), model["error"].string());
    }
  });
  print_table(rows);
  fmt::print("{}", errors);
}

void print_ps(JsonView document) {
  const JsonView daemon = document["daemon"];
  fmt::print("hearthd {}, pid {:.0f}, up {:.0f} s, {:.0f} connections{}\n\n",
             daemon["version"].string(), daemon["pid"].number(), daemon["uptime_s"].number(),
             daemon["connections"].number(), daemon["draining"].boolean() ? ", shutting down" : "");
  std::vector<std::vector<std::string>> models = {
      {"MODEL", "STATE", "CONTEXT", "KV", "KERNELS", "THREADS", "MEMORY", "RUNNING", "QUEUED"}};
  document["models"].each([&](JsonView model) {
    std::string state = model["state"].string();
    if (state == "loading") state += fmt::format(" {:.0f}%", 100 * model["progress"].number());
    models.push_back({model["id"].string(), state, count_text(model["context"]),
                      text_or_dash(model["kv_type"]), text_or_dash(model["tier"]),
                      count_text(model["threads"]), bytes_text(model["weight_bytes"].number()),
                      count_text(model["running"]), count_text(model["queued"])});
  });
  print_table(models);
  std::vector<std::vector<std::string>> requests = {
      {"REQUEST", "MODEL", "VERB", "CLIENT", "UID", "AGE", "PROMPT", "GENERATED"}};
  document["requests"].each([&](JsonView request) {
    requests.push_back(
        {count_text(request["id"]), request["model"].string(), request["verb"].string(),
         request["client"].string(), count_text(request["uid"]),
         fmt::format("{:.1f} s", request["age_s"].number()), count_text(request["prompt_tokens"]),
         count_text(request["completion_tokens"])});
  });
  if (requests.size() == 1) return;
  fmt::print("\n");
  print_table(requests);
}

void print_stats(JsonView document) {
  const JsonView daemon = document["daemon"];
  print_table(
      {{"UP", "CONNECTIONS", "REQUESTS", "ERRORS", "RESIDENT", "FDS", "KV USED", "KV LIMIT"},
       {fmt::format("{:.0f} s", daemon["uptime_s"].number()),
        fmt::format("{:.0f} of {:.0f}", daemon["connections"].number(),
                    daemon["connections_total"].number()),
        count_text(daemon["requests_total"]), count_text(daemon["errors_total"]),
        bytes_text(daemon["rss_bytes"].number()), count_text(daemon["open_fds"]),
        bytes_text(daemon["kv_bytes_used"].number()),
        bytes_text(daemon["kv_bytes_limit"].number())}});
  fmt::print("\n");
  std::vector<std::vector<std::string>> models = {{"MODEL", "PROMPT ROWS", "GENERATED ROWS",
                                                   "CACHED TOKENS", "STEPS", "PAGES IN USE",
                                                   "PAGES CACHED", "EVICTIONS", "PREEMPTIONS"}};
  document["models"].each([&](JsonView model) {
    models.push_back({model["id"].string(), count_text(model["rows"]["prompt"]),
                      count_text(model["rows"]["generated"]), count_text(model["cached_tokens"]),
                      count_text(model["steps"]), count_text(model["pages"]["in_use"]),
                      count_text(model["pages"]["cached"]), count_text(model["evictions"]),
                      count_text(model["preemptions"])});
  });
  print_table(models);
}

}  // namespace

Result<int> run_status(Connection& connection, const Options& options) {
  const int kind = options.command == Command::models ? HEARTH_QUERY_MODELS
                   : options.command == Command::ps   ? HEARTH_QUERY_PS
                                                      : HEARTH_QUERY_STATS;
  HEARTH_TRY(const std::string text, connection.query(kind));
  if (options.json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const JsonDocument document(text);
  switch (options.command) {
    case Command::models: print_models(document.view()); break;
    case Command::ps: print_ps(document.view()); break;
    default: print_stats(document.view()); break;
  }
  return 0;
}

}  // namespace hearth::cli
