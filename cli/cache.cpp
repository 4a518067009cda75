// hearth cache stats, ls, evict, verify: what the daemon keeps of prompts and replies.
#include <fmt/format.h>

#include <optional>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

Error not_json() {
  return {Code::PROTOCOL, "the daemon sent a document that is no JSON"};
}

std::int64_t whole(JsonView value) {
  return static_cast<std::int64_t>(value.number());
}

std::string count(JsonView value) {
  return fmt::format("{:.0f}", value.number());
}

// ---- stats ---------------------------------------------------------------------------------

std::string memory_of(JsonView model, const char* pages) {
  return bytes_text(model["pages"][pages].number() * model["pages"]["bytes"].number());
}

// "warm, 12 pages": how the model's cache began.
std::string start_of(JsonView model) {
  const JsonView start = model["cache_start"];
  const std::string cold = start["cold"].string();
  return cold == "none" ? fmt::format("warm, {} pages", count(start["kept"])) : "empty: " + cold;
}

std::string stats_json(JsonView daemon, const std::vector<JsonView>& models) {
  std::string list;
  for (const JsonView& model : models) {
    JsonObject pages;
    for (const char* key : {"total", "backed", "in_use", "cached", "damaged", "bytes", "tokens"}) {
      pages.add(key, whole(model["pages"][key]));
    }
    JsonObject start;
    start.add("cold", model["cache_start"]["cold"].string());
    for (const char* key : {"kept", "unfinished", "damaged", "orphaned", "over_budget"}) {
      start.add(key, whole(model["cache_start"][key]));
    }
    JsonObject entry;
    entry.add("id", model["id"].string())
        .add("cached_tokens", whole(model["cached_tokens"]))
        .add("prompt_rows", whole(model["rows"]["prompt"]))
        .add("evictions", whole(model["evictions"]))
        .add("preemptions", whole(model["preemptions"]))
        .add("pages", std::move(pages))
        .add("cache_start", std::move(start));
    list.append(list.empty() ? "" : ",").append(entry.text());
  }
  JsonObject document;
  document.add("kv_bytes_used", whole(daemon["kv_bytes_used"]))
      .add("kv_bytes_limit", whole(daemon["kv_bytes_limit"]))
      .add_json("models", "[" + list + "]");
  return document.text() + '\n';
}

std::string stats_text(JsonView daemon, const std::vector<JsonView>& models) {
  Table table({"MODEL", ">CACHED", ">IN USE", ">PAGE", ">TOKENS FOUND", ">TOKENS COMPUTED",
               ">EVICTED", ">DAMAGED", "BEGAN"});
  for (const JsonView& model : models) {
    table.add({model["id"].string(), memory_of(model, "cached"), memory_of(model, "in_use"),
               bytes_text(model["pages"]["bytes"].number()), count(model["cached_tokens"]),
               count(model["rows"]["prompt"]), count(model["evictions"]),
               count(model["pages"]["damaged"]), start_of(model)});
  }
  return fmt::format("{} of {} (kv-bytes) are taken or set aside\n\n",
                     bytes_text(daemon["kv_bytes_used"].number()),
                     bytes_text(daemon["kv_bytes_limit"].number())) +
         table.text();
}

Result<int> run_stats(const Connection& connection, const Options& options) {
  HEARTH_TRY(const std::string text, connection.query(HEARTH_QUERY_STATS));
  const JsonDocument document(text);
  if (!document.valid()) return not_json();
  std::vector<JsonView> models;
  document.view()["models"].each([&](JsonView model) {
    if (options.model.empty() || model["id"].string() == options.model) models.push_back(model);
  });
  if (models.empty() && !options.model.empty()) {
    return Error{Code::NOT_FOUND,
                 fmt::format("there is no model \"{}\": see hearth models", options.model)};
  }
  const JsonView daemon = document.view()["daemon"];
  HEARTH_CHECK(
      write_output(options.json ? stats_json(daemon, models) : stats_text(daemon, models)));
  return 0;
}

// ---- ls ------------------------------------------------------------------------------------

// How a text begins: as text where the model has any, else as ids; "..." when it goes on.
Result<std::string> beginning(const Connection& connection, const Options& options, JsonView text,
                              bool& has_text) {
  std::vector<std::int32_t> ids;
  text["first_tokens"].each(
      [&](JsonView id) { ids.push_back(static_cast<std::int32_t>(id.number())); });
  const bool goes_on = text["tokens"].number() > static_cast<double>(ids.size());
  std::string shown;
  if (has_text) {
    const Result<std::string> decoded = connection.detokenize(options.model, ids, /*flags=*/0);
    if (decoded) {
      shown = json_string(*decoded);  // on one line, and what is no character is shown as such
    } else if (decoded.error().code == Code::TOKENIZATION) {
      has_text = false;
    } else {
      return decoded.error();
    }
  }
  if (!has_text) shown = json_array(ids);
  return shown + (goes_on ? " ..." : "");
}

// ", and 3 state checkpoints, 9.0 MiB"; nothing where a model has none.
std::string and_checkpoints(JsonView document) {
  if (document["checkpoints"].number() == 0) return "";
  return fmt::format(", and {} state checkpoints, {}", count(document["checkpoints"]),
                     bytes_text(document["checkpoint_bytes"].number()));
}

Result<std::string> ls_text(const Connection& connection, const Options& options,
                            JsonView document) {
  Table table({">USER", ">TOKENS", ">SIZE", ">PUBLISHED", ">OWN", ">IN USE", "BEGIN"});
  std::vector<JsonView> texts;
  document["prefixes"].each([&](JsonView text) { texts.push_back(text); });
  bool has_text = true;
  for (const JsonView& text : texts) {
    HEARTH_TRY(const std::string begin, beginning(connection, options, text, has_text));
    const std::string owner = text["published"].boolean() ? "published"
                              : text["uid"].known()       ? count(text["uid"])
                                                          : text["group"].string();
    table.add({owner, count(text["tokens"]), bytes_text(text["bytes"].number()),
               bytes_text(text["published_bytes"].number()), bytes_text(text["own_bytes"].number()),
               bytes_text(text["in_use_bytes"].number()), begin});
  }
  std::string shown = table.empty() ? "" : table.text();
  if (document["left_out"].number() > 0) {
    shown += fmt::format("and {} more: see --limit\n", count(document["left_out"]));
  }
  return shown + fmt::format("{} tokens in {} pages, {}{}\n", count(document["tokens"]),
                             count(document["pages"]), bytes_text(document["bytes"].number()),
                             and_checkpoints(document));
}

// ---- evict, verify -------------------------------------------------------------------------

std::string evict_text(JsonView document) {
  std::string text = fmt::format("evicted {} pages, {}{}\n", count(document["pages"]),
                                 bytes_text(document["bytes"].number()), and_checkpoints(document));
  if (document["pages_in_use"].number() > 0) {
    text += fmt::format("{} pages are in use and stay\n", count(document["pages_in_use"]));
  }
  return text;
}

std::string verify_text(JsonView document) {
  std::string text = fmt::format("checked {} pages, {}{}, in {:.1f} s: ", count(document["pages"]),
                                 bytes_text(document["bytes"].number()), and_checkpoints(document),
                                 document["ms"].number() / 1e3);
  if (document["damaged"].number() == 0) return text + "none is damaged\n";
  text += fmt::format("{} are damaged; {} were dropped, with what continued them\n",
                      count(document["damaged"]), count(document["dropped"]));
  if (document["damaged_in_use"].number() > 0) {
    text += fmt::format("{} damaged ones are in use: found no more, dropped with their users\n",
                        count(document["damaged_in_use"]));
  }
  return text;
}

// ---- what they have in common --------------------------------------------------------------

// The tokens that --prefix or --tokens gives; may be none.
Result<std::vector<std::int32_t>> prefix_of(const Connection& connection, const Options& options) {
  if (options.prefix)
    return connection.tokenize(options.model, *options.prefix, HEARTH_PARSE_SPECIAL);
  if (!options.input.tokens && !options.input.tokens_file) return std::vector<std::int32_t>();
  return read_prompt_tokens(options.input);
}

// Ask, and wait for the document.
Result<std::string> ask(const Connection& connection, const Options& options) {
  HEARTH_TRY(const std::vector<std::int32_t> prefix, prefix_of(connection, options));
  hearth_cache_options request;
  hearth_cache_options_init(&request);
  request.model = options.model.c_str();
  request.action = options.command == Command::cache_ls      ? HEARTH_CACHE_LS
                   : options.command == Command::cache_evict ? HEARTH_CACHE_EVICT
                                                             : HEARTH_CACHE_VERIFY;
  if (options.all) request.all = 1;
  request.uid = options.uid;
  request.max_bytes = options.max_bytes;
  request.limit = options.limit;
  if (!prefix.empty()) request.prefix_ids = prefix.data();
  request.prefix_id_count = prefix.size();
  HEARTH_TRY(const Stream stream, connection.cache(request));
  HEARTH_CHECK(show_progress(connection, stream));
  HEARTH_TRY(const hearth_result result, connection.result_of(stream));
  if (result.document == nullptr) return Error{Code::CANCELED, "canceled before it began"};
  return std::string(result.document, result.document_size);
}

}  // namespace

Result<int> run_cache(const Options& options) {
  HEARTH_TRY(const Connection connection, Connection::open(options.socket));
  if (options.command == Command::cache_stats) return run_stats(connection, options);
  HEARTH_TRY(std::string text, ask(connection, options));
  if (options.json) {
    HEARTH_CHECK(write_output(text + '\n'));
    return 0;
  }
  const JsonDocument document(text);
  if (!document.valid()) return not_json();
  switch (options.command) {
    case Command::cache_ls: {
      HEARTH_TRY(text, ls_text(connection, options, document.view()));
      break;
    }
    case Command::cache_evict: text = evict_text(document.view()); break;
    default: text = verify_text(document.view()); break;
  }
  HEARTH_CHECK(write_output(text));
  return 0;
}

}  // namespace hearth::cli
