// The daemon's settings: where they come from and what they may be.
//
// Every setting is one line of a table (config.cpp) and may come, in falling order of precedence,
// from the command line, the environment (HEARTH_*), configuration files (TOML), or its default.
// All sources deliver text, so that one parser checks them all; an error names the setting and its
// source.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache/checkpoint_policy.hpp"
#include "cache/segment_store.hpp"
#include "common/result.hpp"
#include "daemon/published_text.hpp"
#include "daemon/user_groups.hpp"
#include "engine/rope.hpp"

namespace hearth {

// What is served where no model is configured.
inline constexpr const char* kDefaultModelId = "ember";

struct ModelConfig {
  std::string id;    // letters, digits and . _ - : /
  std::string path;  // of the GGUF file, or of the first part of a split one
  RopeOverride rope = {};
  std::string card = {};  // path of its model card; empty: there is none
  std::string chat_template =
      {};  // the name of a builtin one, instead of the file's own; empty: none
  cache::CheckpointSettings checkpoints = {};  // of its states, where it is recurrent
};

struct Config {
  std::string socket;             // path of the socket
  std::uint32_t socket_mode = 0;  // permission bits of the socket
  std::string state_dir;          // lock, and the name of the segments
  std::vector<ModelConfig> models;
  std::map<std::string, RopeOverride> ropes;                     // by id of model
  std::map<std::string, std::string> cards;                      // paths, by id of model
  std::map<std::string, std::string> chat_templates;             // names, by id of model
  std::map<std::string, cache::CheckpointSettings> checkpoints;  // by id of model
  std::uint32_t threads = 0;        // that compute; 0: one per core we may use
  std::uint32_t ctx = 0;            // longest sequence, tokens; 0: what each model was trained for
  std::uint64_t kv_bytes = 0;       // budget of all KV caches together
  std::uint64_t user_kv_bytes = 0;  // of these, what a user or group may keep of one model
  std::uint64_t checkpoint_bytes = 0;    // of these, what a model's checkpoints may take
  UserGroups groups;                     // who share a cache
  std::vector<PublishedText> published;  // what everybody's prompts may begin with
  cache::StoreBackend cache_backend = cache::StoreBackend::automatic;  // auto, shm, fdstore
  std::uint64_t model_bytes = 0;    // budget of all weights in memory together
  std::int64_t keep_alive_s = -1;   // how long an idle model stays in memory; -1: for ever
  std::string preload;              // all, none: what is loaded at the start
  std::string kv_type;              // auto, f32, f16, bf16, q8_0, q4_0
  std::string device;               // auto, cpu
  std::uint32_t cpu_features = 0;   // those of the CPU's tier: auto, amx, avx512, avx2, ref
  std::string log_level;            // debug, info, warning, error
  std::uint32_t drain_seconds = 0;  // what runs may go on for, see config.cpp
};

// A value as a source gave it, not parsed yet.
struct RawSetting {
  std::string value;
  std::string origin;  // "--ctx", "HEARTH_CTX", "/etc/hearth/hearthd.toml: ctx", "default"
};
// By name; "model" may have several values, ID=PATH each, and so may others: SettingInfo::repeats.
using RawSettings = std::map<std::string, std::vector<RawSetting>>;

// A setting's name, one line of help, and whether it may have several values.
struct SettingInfo {
  const char* name;
  const char* help;
  bool repeats;
};
const std::vector<SettingInfo>& setting_infos();

RawSettings settings_from_environment();
Result<RawSettings> settings_from_file(
    const std::string& path);  // config_file.cpp: the door to toml++

// Put the sources together, best first, and check every value.
// Errors: CONFIG naming the setting, where it came from and what is possible.
Result<Config> make_config(const std::vector<RawSettings>& sources);

// Every setting that has a value, the value as text, and where it came from.
struct ExplainedSetting {
  std::string name, value, origin;
};
std::vector<ExplainedSetting> explain_config(const std::vector<RawSettings>& sources);

// The configuration files in falling order of precedence: the drop-ins conf.d/*.toml beside the
// main file, the last name first, then the main file.  Errors: CONFIG, IO.
Result<std::vector<RawSettings>> settings_from_files(const std::string& main_path);

// A file name that is unique to a model id.
std::string segment_name_of(const std::string& model_id);

}  // namespace hearth
