// See config.hpp.
#include "daemon/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "cache/page_key.hpp"
#include "common/duration.hpp"
#include "common/limits.h"
#include "daemon/checkpoint_settings.hpp"
#include "engine/chat/builtin_templates.hpp"
#include "engine/chat/card.hpp"
#include "engine/engine.hpp"

namespace hearth {
namespace {

Error wrong(const char* name, const RawSetting& raw, const std::string& why) {
  return Error{Code::CONFIG,
               fmt::format("{} (from {}): \"{}\" {}", name, raw.origin, raw.value, why)};
}

Result<std::uint64_t> parse_number(const char* name, const RawSetting& raw, std::uint64_t min,
                                   std::uint64_t max) {
  std::uint64_t value = 0;
  const char* end = raw.value.data() + raw.value.size();
  const auto [stop, error] = std::from_chars(raw.value.data(), end, value);
  if (error != std::errc() || stop != end || value < min || value > max) {
    return wrong(name, raw, fmt::format("is not a whole number from {} to {}", min, max));
  }
  return value;
}

// "512M", "4GiB", "1073741824": powers of 1024.
Result<std::uint64_t> parse_bytes(const char* name, const RawSetting& raw) {
  std::uint64_t value = 0;
  const char* end = raw.value.data() + raw.value.size();
  const auto [stop, error] = std::from_chars(raw.value.data(), end, value);
  std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  for (const std::string_view suffix : {"iB", "B"}) {
    if (unit.ends_with(suffix)) {
      unit.remove_suffix(suffix.size());
      break;
    }
  }
  constexpr std::string_view kUnits = "KMGT";
  const std::size_t index = unit.empty() ? 0 : kUnits.find(unit);
  const std::uint64_t shift = unit.empty() ? 0 : 10 * (index + 1);
  if (error != std::errc() || unit.size() > 1 || index == std::string_view::npos || value == 0 ||
      value > (UINT64_MAX >> 1 >> shift)) {
    return wrong(name, raw, "is not a size: a number with K, M, G or T, as in 512M");
  }
  return value << shift;
}

// "2G", or "25%" of a whole.
Result<std::uint64_t> parse_part(const char* name, const RawSetting& raw, std::uint64_t whole) {
  if (!raw.value.ends_with('%')) return parse_bytes(name, raw);
  std::uint32_t percent = 0;
  const char* end = raw.value.data() + raw.value.size() - 1;
  const auto [stop, error] = std::from_chars(raw.value.data(), end, percent);
  if (error != std::errc() || stop != end || percent == 0 || percent > 100) {
    return wrong(name, raw, "is not a percentage from 1% to 100%");
  }
  return whole / 100 * percent + whole % 100 * percent / 100;
}

Result<std::uint32_t> parse_mode(const char* name, const RawSetting& raw) {
  std::uint32_t value = 0;
  const char* end = raw.value.data() + raw.value.size();
  const auto [stop, error] = std::from_chars(raw.value.data(), end, value, 8);
  if (error != std::errc() || stop != end || value > 0777) {
    return wrong(name, raw, "is not a mode: octal digits, as in 0660");
  }
  return value;
}

Result<std::string> parse_choice(const char* name, const RawSetting& raw,
                                 std::initializer_list<std::string_view> choices) {
  if (std::ranges::find(choices, raw.value) != choices.end()) return raw.value;
  std::string possible;
  for (const std::string_view choice : choices) {
    possible.append(possible.empty() ? "" : ", ").append(choice);
  }
  return wrong(name, raw, "is none of: " + possible);
}

Result<ModelConfig> parse_model(const RawSetting& raw) {
  const std::size_t equals = raw.value.find('=');
  if (equals == std::string::npos) return wrong("model", raw, "is not ID=PATH");
  ModelConfig model = {raw.value.substr(0, equals), raw.value.substr(equals + 1)};
  const auto allowed = [](unsigned char c) { return std::isalnum(c) || std::strchr("._-:/", c); };
  if (model.id.empty() || model.id.size() > HEARTH_MODEL_ID_MAX ||
      !std::ranges::all_of(model.id, allowed)) {
    return wrong("model", raw, "has a bad id: letters, digits and . _ - : / are possible");
  }
  if (model.path.empty()) return wrong("model", raw, "has no path");
  return model;
}

// ID=WHAT.
Result<std::pair<std::string, std::string>> text_by_model(const char* name, const RawSetting& raw,
                                                          const char* what) {
  const std::size_t equals = raw.value.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == raw.value.size()) {
    return wrong(name, raw, fmt::format("is not ID={}", what));
  }
  return std::pair(raw.value.substr(0, equals), raw.value.substr(equals + 1));
}

// Those of the model that it names are complete when all settings are.
Status add_published(const RawSetting& raw, Config& config) {
  auto text = read_published(raw.value);
  if (!text) return wrong("publish", raw, text.error().message);
  const bool twice = std::ranges::any_of(config.published, [&](const PublishedText& other) {
    return other.model == text->model && other.file == text->file;
  });
  if (twice) return wrong("publish", raw, "is there twice");
  if (config.published.size() == PublishedText::kTextsMax) {
    return wrong("publish", raw,
                 fmt::format("is one too many: {} are possible", PublishedText::kTextsMax));
  }
  config.published.push_back(*std::move(text));
  return {};
}

// What settings say of models, by their ids.
template <class T>
Status give_models(const char* name, const std::map<std::string, T>& given, Config& config,
                   T ModelConfig::*field) {
  for (const auto& [id, value] : given) {
    const auto model = std::ranges::find(config.models, id, &ModelConfig::id);
    if (model == config.models.end()) {
      return Error{Code::CONFIG, fmt::format("{}: there is no model \"{}\"", name, id)};
    }
    (*model).*field = value;
  }
  return {};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string default_socket() {
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  return runtime.empty() ? "/run/hearth/hearthd.sock" : runtime + "/hearth/hearthd.sock";
}

std::string default_state_dir() {
  // A unit's StateDirectory=, whoever its user is.
  if (const std::string state = environment("STATE_DIRECTORY"); !state.empty()) {
    return state.substr(0, state.find(':'));
  }
  if (geteuid() == 0) return "/var/lib/hearth";
  if (const std::string state = environment("XDG_STATE_HOME"); !state.empty()) {
    return state + "/hearth";
  }
  if (const std::string home = environment("HOME"); !home.empty()) {
    return home + "/.local/state/hearth";
  }
  return fmt::format("/tmp/hearth-{}", geteuid());
}

std::uint64_t machine_bytes() {
  const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// A quarter of the machine's memory: pages take memory only when they are filled.
std::string default_kv_bytes() {
  return std::to_string(std::max<std::uint64_t>(256u << 20, machine_bytes() / 4));
}

// What then is left, but for an eighth of the machine for others.
std::string default_model_bytes() {
  return std::to_string(std::max<std::uint64_t>(256u << 20, machine_bytes() / 8 * 5));
}

// One line per setting: its name, what it means, its default, how its text becomes the field.
struct Setting {
  const char* name;
  const char* help;
  std::string (*fallback)();  // null: no default
  Status (*parse)(const RawSetting& raw, Config& config);
};

template <auto Field, std::uint64_t Min, std::uint64_t Max>
Status number_into(const char* name, const RawSetting& raw, Config& config) {
  HEARTH_TRY(const std::uint64_t value, parse_number(name, raw, Min, Max));
  config.*Field = static_cast<std::remove_reference_t<decltype(config.*Field)>>(value);
  return {};
}

template <auto Field>
Status path_into(const char* name, const RawSetting& raw, Config& config) {
  if (raw.value.empty()) return wrong(name, raw, "is no path");
  config.*Field = raw.value;
  return {};
}

// tidy: long, a table
const std::vector<Setting>& settings() {
  static const std::vector<Setting> table = {
      {"socket", "path of the socket to listen on", default_socket,
       [](const RawSetting& raw, Config& config) {
         return path_into<&Config::socket>("socket", raw, config);
       }},
      {"socket-mode", "who may connect: permission bits of the socket",
       [] { return std::string("0660"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.socket_mode, parse_mode("socket-mode", raw));
         return {};
       }},
      {"state-dir", "directory whose caches this daemon keeps; one daemon each", default_state_dir,
       [](const RawSetting& raw, Config& config) {
         return path_into<&Config::state_dir>("state-dir", raw, config);
       }},
      {"model", "ID=PATH of a GGUF file to serve; may be given several times", nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(ModelConfig model, parse_model(raw));
         for (const ModelConfig& other : config.models) {
           if (other.id == model.id)
             return wrong("model", raw, "names an id that was given before");
         }
         config.models.push_back(std::move(model));
         return {};
       }},
      {"rope", "ID=SCALING,KEY=VALUE,...: positions of a model beyond what it was made for",
       nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         const std::size_t equals = raw.value.find('=');
         if (equals == std::string::npos) return wrong("rope", raw, "is not ID=SCALING,...");
         const auto rope = parse_rope_override(raw.value.substr(equals + 1));
         if (!rope) return wrong("rope", raw, "is wrong: " + rope.error().message);
         config.ropes[raw.value.substr(0, equals)] = *rope;
         return {};
       }},
      {"card", "ID=FILE: the model card of a model", nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(const auto text, text_by_model("card", raw, "FILE"));
         const auto card = chat::read_card(text.second);
         if (!card) return wrong("card", raw, "cannot be used: " + card.error().message);
         config.cards.insert_or_assign(text.first, text.second);
         return {};
       }},
      {"chat-template", "ID=NAME: a chat template of Hearth's instead of the model's own", nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(const auto text, text_by_model("chat-template", raw, "NAME"));
         if (chat::find_builtin_template(text.second) == nullptr) {
           std::string names;
           for (const auto& one : chat::builtin_templates()) names += fmt::format(" {}", one.name);
           return wrong("chat-template", raw, "names none of" + names);
         }
         config.chat_templates.insert_or_assign(text.first, text.second);
         return {};
       }},
      {"checkpoints", "ID=KEY=VALUE,...: where a recurrent model's state is kept", nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(const auto text, text_by_model("checkpoints", raw, "KEY=VALUE,..."));
         const auto settings = parse_checkpoint_settings(text.second);
         if (!settings) return wrong("checkpoints", raw, "is wrong: " + settings.error().message);
         config.checkpoints.insert_or_assign(text.first, *settings);
         return {};
       }},
      {"threads", "threads that compute; 0: one per core", [] { return std::string("0"); },
       [](const RawSetting& raw, Config& config) {
         return number_into<&Config::threads, 0, 1024>("threads", raw, config);
       }},
      {"ctx", "longest sequence in tokens; 0: what each model was trained for",
       [] { return std::string("0"); },
       [](const RawSetting& raw, Config& config) {
         return number_into<&Config::ctx, 0, 1u << 20>("ctx", raw, config);
       }},
      {"kv-bytes", "memory for all KV caches together, as in 4G", default_kv_bytes,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.kv_bytes, parse_bytes("kv-bytes", raw));
         return {};
       }},
      // After kv-bytes, of which it may be a part.
      {"user-kv-bytes",
       "what one user or group may keep in each model's cache, as in 2G or 25% of kv-bytes",
       [] { return std::string("100%"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.user_kv_bytes, parse_part("user-kv-bytes", raw, config.kv_bytes));
         return {};
       }},
      {"checkpoint-bytes",
       "what the checkpoints of a recurrent model may take of it, as in 2G or 25% of kv-bytes",
       [] { return std::string("25%"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.checkpoint_bytes, parse_part("checkpoint-bytes", raw, config.kv_bytes));
         return {};
       }},
      {"group", "NAME=USER,USER,...: users who share one cache; may be given several times",
       nullptr,
       [](const RawSetting& raw, Config& config) -> Status {
         const Status added = config.groups.add(raw.value);
         if (!added) return wrong("group", raw, added.error().message);
         return {};
       }},
      {"publish", "MODEL=FILE of a text that is computed once for all; may be given several times",
       nullptr, add_published},
      {"cache-backend",
       "what keeps the caches: shm, fdstore (the service manager), auto (shm where possible)",
       [] { return std::string("auto"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(const std::string name,
                    parse_choice("cache-backend", raw, {"auto", "shm", "fdstore"}));
         config.cache_backend = name == "shm"       ? cache::StoreBackend::shm
                                : name == "fdstore" ? cache::StoreBackend::fdstore
                                                    : cache::StoreBackend::automatic;
         return {};
       }},
      {"model-bytes", "memory for all loaded models together, as in 16G", default_model_bytes,
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.model_bytes, parse_bytes("model-bytes", raw));
         return {};
       }},
      {"keep-alive", "how long a model that nobody uses stays loaded: 90, 30m, 2h, forever",
       [] { return std::string("forever"); },
       [](const RawSetting& raw, Config& config) -> Status {
         const auto seconds = parse_keep_alive(raw.value);
         if (!seconds) return wrong("keep-alive", raw, "is " + seconds.error().message);
         config.keep_alive_s = *seconds;
         return {};
       }},
      {"preload", "models to load at the start, as far as model-bytes goes: all, none",
       [] { return std::string("all"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.preload, parse_choice("preload", raw, {"all", "none"}));
         return {};
       }},
      {"kv-type",
       "precision of the KV cache: auto (f32 for F32 models, else f16), f32, f16, bf16, q8_0, q4_0",
       [] { return std::string("auto"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.kv_type,
                    parse_choice("kv-type", raw, {"auto", "f32", "f16", "bf16", "q8_0", "q4_0"}));
         return {};
       }},
      {"device", "where to compute: auto, cpu", [] { return std::string("auto"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.device, parse_choice("device", raw, {"auto", "cpu"}));
         return {};
       }},
      {"cpu-tier", "best kernels to use: auto, amx, avx512, avx2, ref",
       [] { return std::string("auto"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(const std::string tier,
                    parse_choice("cpu-tier", raw, {"auto", "amx", "avx512", "avx2", "ref"}));
         const auto features = features_of_tier(tier);
         if (!features)
           return wrong("cpu-tier", raw, "is not possible: " + features.error().message);
         config.cpu_features = *features;
         return {};
       }},
      {"drain-seconds",
       "how long requests may go on after SIGTERM, or unread when their model has to go",
       [] { return std::string("30"); },
       [](const RawSetting& raw, Config& config) {
         return number_into<&Config::drain_seconds, 0, 86400>("drain-seconds", raw, config);
       }},
      {"log-level", "debug, info, warning or error", [] { return std::string("info"); },
       [](const RawSetting& raw, Config& config) -> Status {
         HEARTH_TRY(config.log_level,
                    parse_choice("log-level", raw, {"debug", "info", "warning", "error"}));
         return {};
       }},
  };
  return table;
}

}  // namespace

const std::vector<SettingInfo>& setting_infos() {
  static const std::vector<SettingInfo> infos = [] {
    std::vector<SettingInfo> list;
    for (const Setting& setting : settings()) {
      const std::string_view name = setting.name;
      const bool repeats = name == "model" || name == "rope" || name == "group" ||
                           name == "publish" || name == "card" || name == "chat-template" ||
                           name == "checkpoints";
      list.push_back({setting.name, setting.help, repeats});
    }
    return list;
  }();
  return infos;
}

RawSettings settings_from_environment() {
  RawSettings raw;
  for (const Setting& setting : settings()) {
    std::string name = std::string("HEARTH_") + setting.name;
    std::ranges::replace(name, '-', '_');
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') raw[setting.name].push_back({value, name});
  }
  return raw;
}

namespace {

// The values of a setting from the best source that has it.
std::vector<RawSetting> choose(const Setting& setting, const std::vector<RawSettings>& sources) {
  for (const RawSettings& source : sources) {
    if (const auto found = source.find(setting.name); found != source.end()) return found->second;
  }
  if (setting.fallback == nullptr) return {};
  return {{setting.fallback(), "default"}};
}

}  // namespace

std::vector<ExplainedSetting> explain_config(const std::vector<RawSettings>& sources) {
  std::vector<ExplainedSetting> explained;
  for (const Setting& setting : settings()) {
    for (const RawSetting& raw : choose(setting, sources)) {
      explained.push_back({setting.name, raw.value, raw.origin});
    }
  }
  return explained;
}

Result<Config> make_config(const std::vector<RawSettings>& sources) {
  for (const RawSettings& source : sources) {
    for (const auto& [name, values] : source) {
      const auto known = std::ranges::find(settings(), name, &Setting::name);
      if (known == settings().end()) {
        return Error{Code::CONFIG, fmt::format("{} (from {}): there is no such setting", name,
                                               values.front().origin)};
      }
    }
  }
  Config config;
  for (const Setting& setting : settings()) {
    for (const RawSetting& raw : choose(setting, sources)) {
      HEARTH_CHECK(setting.parse(raw, config));
    }
  }
  HEARTH_CHECK(give_models("rope", config.ropes, config, &ModelConfig::rope));
  HEARTH_CHECK(give_models("card", config.cards, config, &ModelConfig::card));
  HEARTH_CHECK(give_models("checkpoints", config.checkpoints, config, &ModelConfig::checkpoints));
  HEARTH_CHECK(
      give_models("chat-template", config.chat_templates, config, &ModelConfig::chat_template));
  for (const PublishedText& text : config.published) {
    const bool known =
        config.models.empty()
            ? text.model == kDefaultModelId
            : std::ranges::find(config.models, text.model, &ModelConfig::id) != config.models.end();
    if (!known)
      return Error{Code::CONFIG,
                   fmt::format("publish: there is no model \"{}\", for {}", text.model, text.file)};
  }
  return config;
}

std::string segment_name_of(const std::string& model_id) {
  const cache::Digest digest = cache::hash(std::as_bytes(std::span(model_id)));
  std::string name;
  for (std::size_t i = 0; i < 8; ++i) name += fmt::format("{:02x}", digest[i]);
  return name;
}

}  // namespace hearth
