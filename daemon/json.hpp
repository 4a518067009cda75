// The door to cJSON: strict reading of control bodies, and building of replies.
//
// Bodies come from clients.  Size and depth are checked before cJSON sees them, duplicate and
// unknown keys are errors, numbers must be whole where whole numbers are wanted.
//
// THREAD: any, one at a time for each object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

struct cJSON;

namespace hearth {

struct CjsonDelete {
  void operator()(cJSON* node) const;
};
using CjsonPtr = std::unique_ptr<cJSON, CjsonDelete>;

// Reads one JSON object key by key; done() finds the keys that nobody asked for.
class JsonReader {
 public:
  // An empty body reads as an object without keys.  Errors: INVALID.
  static Result<JsonReader> parse(std::span<const std::byte> body);

  // The value of a key, nullopt when the key is absent.  Errors: INVALID naming the key.
  Result<std::optional<std::string>> string(const char* key);
  Result<std::optional<bool>> boolean(const char* key);
  Result<std::optional<std::int64_t>> integer(const char* key, std::int64_t min, std::int64_t max);
  Result<std::optional<double>> number(const char* key, double min, double max);
  Result<std::optional<std::vector<std::string>>> strings(const char* key, std::size_t count_max,
                                                          std::size_t bytes_max);
  // [[id, bias], ...]: ids >= 0; a bias is a number within +-1e6, or false for -infinity.
  Result<std::optional<std::vector<std::pair<std::int32_t, float>>>> biases(const char* key,
                                                                            std::size_t count_max);
  // Whole numbers >= 1, each greater than the one before.
  Result<std::vector<std::uint32_t>> rising(const char* key, std::size_t count_max);
  Result<std::string> require_string(const char* key);

  // An error when the object has keys that were not asked for.
  Status done() const;

 private:
  explicit JsonReader(CjsonPtr root) : root_(std::move(root)) {}
  const cJSON* take(const char* key);
  CjsonPtr root_;
  std::vector<std::string_view> asked_;  // string literals
};

// Builds one JSON document.  Values are added in order; null stands for what is not known.
class JsonWriter {
 public:
  JsonWriter();  // an object
  static JsonWriter array();
  JsonWriter(JsonWriter&&) noexcept = default;
  JsonWriter& operator=(JsonWriter&&) noexcept = default;

  JsonWriter& add(const char* key, const std::string& value);
  JsonWriter& add(const char* key, const char* value);
  JsonWriter& add(const char* key, bool value);
  JsonWriter& add(const char* key, double value);
  JsonWriter& add(const char* key, std::int64_t value);
  JsonWriter& add(const char* key, std::uint64_t value);
  JsonWriter& add(const char* key, int value) { return add(key, std::int64_t{value}); }
  JsonWriter& add(const char* key, std::uint32_t value) { return add(key, std::uint64_t{value}); }
  JsonWriter& add_null(const char* key);
  JsonWriter& add(const char* key, JsonWriter value);
  JsonWriter& push(JsonWriter value);  // to an array
  JsonWriter& push(const std::string& value);
  JsonWriter& push(std::int32_t value);

  std::string text() const;  // compact; bytes that are not UTF-8 become U+FFFD

 private:
  explicit JsonWriter(CjsonPtr root) : root_(std::move(root)) {}
  CjsonPtr root_;
};

}  // namespace hearth
