// The door to toml++: a configuration file becomes settings as text.
//
//   ctx = 4096
//   kv-bytes = "8G"
//   [cache]
//   backend = "shm"        the setting cache-backend
//   [models]
//   stories = "/srv/models/stories260K.gguf"
//   [rope]
//   stories = "yarn,factor=2"
//   [[group]]
//   name = "research"
//   users = ["alice", 1001]
//   [[published]]          the setting publish
//   model = "stories"
//   file = "/etc/hearth/assistant.txt"
#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "daemon/config.hpp"

namespace hearth {
namespace {

// The text of a scalar, nullopt for anything else.
std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  return std::nullopt;
}

// NAME=USER,USER,... of one [[group]].
Result<std::string> group_text(const std::string& origin, const toml::node& node) {
  const auto wrong = [&](const char* field, const char* why) {
    return Error{Code::CONFIG, fmt::format("{}: group.{} {}", origin, field, why)};
  };
  const toml::table& group = *node.as_table();
  for (const auto& [key, value] : group) {
    if (key.str() != "name" && key.str() != "users") {
      return wrong(std::string(key.str()).c_str(), "is unknown: a group has name and users");
    }
  }
  const auto* name = group["name"].as_string();
  if (name == nullptr) return wrong("name", "is missing, or no text");
  // What parts the text must not be in it.
  if (name->get().find('=') != std::string::npos) return wrong("name", "has a \"=\"");
  const toml::array* users = group["users"].as_array();
  if (users == nullptr || users->empty()) return wrong("users", "is missing, or no list of users");
  std::string text;
  for (const toml::node& user : *users) {
    const bool listable = user.is_string() || user.is_integer();
    if (!listable) return wrong("users", "has a user that is neither a name nor a number");
    const std::string one = *scalar_text(user);
    if (one.find(',') != std::string::npos) return wrong("users", "has a user with a comma");
    text.append(&user == &users->front() ? "=" : ",").append(one);
  }
  return name->get() + text;
}

// MODEL=FILE of one [[published]].
Result<std::string> published_text(const std::string& origin, const toml::node& node) {
  const toml::table& entry = *node.as_table();
  std::string parts[2];
  const char* const fields[] = {"model", "file"};
  for (int i = 0; i < 2; ++i) {
    const auto* text = entry[fields[i]].as_string();
    if (text == nullptr || text->get().empty()) {
      return Error{Code::CONFIG,
                   fmt::format("{}: published.{} is missing, or no text", origin, fields[i])};
    }
    parts[i] = text->get();
  }
  for (const auto& [key, value] : entry) {
    if (key.str() == fields[0] || key.str() == fields[1]) continue;
    return Error{Code::CONFIG, fmt::format("{}: published.{} is unknown: there are model and file",
                                           origin, key.str())};
  }
  // What parts the text must not be in it.
  if (parts[0].find('=') != std::string::npos) {
    return Error{Code::CONFIG, origin + ": published.model has a \"=\""};
  }
  return parts[0] + "=" + parts[1];
}

// The settings of a table: [cache] backend is cache-backend.
Status add_table(const std::string& group, const toml::table& table, const std::string& path,
                 RawSettings& raw) {
  for (const auto& [key, node] : table) {
    const std::string name = fmt::format("{}-{}", group, key.str());
    const std::string origin = fmt::format("{}: line {}", path, node.source().begin.line);
    const auto text = scalar_text(node);
    if (!text) {
      return Error{Code::CONFIG,
                   fmt::format("{}: {}.{} is not a single value", origin, group, key.str())};
    }
    raw[name].push_back({*text, origin});
  }
  return {};
}

// A table by id of model: [models], [rope], [card], [chat-template], [checkpoints].
Status add_by_model(const std::string& name, const toml::node& node, const std::string& origin,
                    RawSettings& raw) {
  const toml::table* entries = node.as_table();
  if (entries == nullptr) {
    return Error{Code::CONFIG, fmt::format("{}: {} is not a table", origin, name)};
  }
  for (const auto& [id, value] : *entries) {
    const auto text = scalar_text(value);
    if (!text) {
      return Error{Code::CONFIG, fmt::format("{}: {}.{} is no text", origin, name, id.str())};
    }
    const std::string setting = name == "models" ? "model" : name;
    raw[setting].push_back({std::string(id.str()) + "=" + *text, origin});
  }
  return {};
}

// The list of [[group]] or of [[published]]: the setting of a name, and how one is written as text.
using TextOfTable = Result<std::string> (*)(const std::string& origin, const toml::node& node);
Status add_list(const std::string& name, const toml::node& node, const std::string& path,
                TextOfTable text_of, std::vector<RawSetting>& ret_settings) {
  const toml::array* entries = node.as_array();
  if (entries == nullptr || !entries->is_homogeneous(toml::node_type::table)) {
    return Error{Code::CONFIG, fmt::format("{}: line {}: {} is not a list of [[{}]]", path,
                                           node.source().begin.line, name, name)};
  }
  for (const toml::node& entry : *entries) {
    const std::string where = fmt::format("{}: line {}", path, entry.source().begin.line);
    HEARTH_TRY(std::string text, text_of(where, entry));
    ret_settings.push_back({std::move(text), where});
  }
  return {};
}

}  // namespace

Result<RawSettings> settings_from_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  file.peek();  // a directory opens, and cannot be read
  if (!file.is_open() || file.bad()) {
    return Error{Code::CONFIG, fmt::format("cannot open {}: {}", path, std::strerror(errno))};
  }
  toml::table table;
  try {
    table = toml::parse(file, path);
  } catch (const toml::parse_error& error) {
    return Error{Code::CONFIG, fmt::format("{}: line {}: {}", path, error.source().begin.line,
                                           error.description())};
  }
  RawSettings raw;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string origin = fmt::format("{}: line {}", path, node.source().begin.line);
    if (name == "cache" && node.is_table()) {
      HEARTH_CHECK(add_table(name, *node.as_table(), path, raw));
      continue;
    }
    if (name == "models" || name == "rope" || name == "card" || name == "chat-template" ||
        name == "checkpoints") {
      HEARTH_CHECK(add_by_model(name, node, origin, raw));
      continue;
    }
    if (name == "group") {
      HEARTH_CHECK(add_list(name, node, path, group_text, raw["group"]));
      continue;
    }
    if (name == "published") {
      HEARTH_CHECK(add_list(name, node, path, published_text, raw["publish"]));
      continue;
    }
    const auto text = scalar_text(node);
    if (!text)
      return Error{Code::CONFIG, fmt::format("{}: {} is not a single value", origin, name)};
    raw[name].push_back({*text, origin});
  }
  return raw;
}

Result<std::vector<RawSettings>> settings_from_files(const std::string& main_path) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code failed;  // no such directory: no drop-ins
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(main_path).parent_path() / "conf.d", failed)) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path());
  }
  std::ranges::sort(paths, std::greater());
  paths.push_back(main_path);
  std::vector<RawSettings> sources;
  for (const std::string& path : paths) {
    HEARTH_TRY(sources.emplace_back(), settings_from_file(path));
  }
  return sources;
}

}  // namespace hearth
