// The door to cJSON: what --json prints, and reading the daemon's documents.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hearth/hearth.h"

struct cJSON;

namespace hearth::cli {

struct CjsonDelete {
  void operator()(cJSON* node) const;
};

// A JSON string, quotes included.  Each longest part that could have begun a character of UTF-8 but
// is none becomes one U+FFFD, as Unicode recommends.
std::string json_string(std::string_view bytes);

// Builds one object.
class JsonObject {
 public:
  JsonObject();
  JsonObject& add(const char* key, const std::string& value);
  JsonObject& add(const char* key, double value);
  JsonObject& add(const char* key, std::int64_t value);
  JsonObject& add(const char* key, std::span<const std::int32_t> ids);
  JsonObject& add(const char* key, JsonObject value);
  JsonObject& add_json(const char* key, const std::string& json);  // which is whole
  std::string text() const;                                        // compact, one line

 private:
  std::unique_ptr<cJSON, CjsonDelete> root_;
};

// The tokens of a finished request.
JsonObject usage_json(const hearth_result& result);

// "[1,2,3]"
std::string json_array(std::span<const std::int32_t> ids);

// A document of the daemon, or a part of one.  What is not there reads as null, 0 or "".
class JsonView {
 public:
  explicit JsonView(const cJSON* node) : node_(node) {}
  bool known() const;  // there, and not null
  JsonView operator[](const char* key) const;
  double number() const;
  bool boolean() const;
  std::string string() const;
  bool is_array() const;
  std::string text() const;  // JSON, compact
  void each(const std::function<void(JsonView)>& visit) const;

 private:
  const cJSON* node_;
};

class JsonDocument {
 public:
  explicit JsonDocument(const std::string& text);
  bool valid() const { return root_ != nullptr; }
  JsonView view() const { return JsonView(root_.get()); }

 private:
  std::unique_ptr<cJSON, CjsonDelete> root_;
};

}  // namespace hearth::cli
