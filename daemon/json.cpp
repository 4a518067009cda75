// See json.hpp.
#include "daemon/json.hpp"

#include <cjson/cJSON.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/limits.h"
#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

constexpr double kExactMax = 9007199254740992.0;  // 2^53: beyond it doubles skip integers

Error invalid(std::string text) {
  return Error{Code::INVALID, std::move(text)};
}

// The deepest nesting of a text, strings passed over.  cJSON recurses: it must not see more than we
// allow.
int nesting_depth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

// cJSON prints strings as they are: what is not UTF-8 must not reach it.
std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t whole = utf8_valid_bytes(text);
    valid += text.substr(0, whole);
    text.remove_prefix(whole);
    if (text.empty()) break;
    valid += "\xEF\xBF\xBD";  // U+FFFD
    text.remove_prefix(1);
  }
  return valid;
}

Status check_duplicates(const cJSON* node) {
  if (cJSON_IsObject(node)) {
    std::vector<std::string_view> keys;
    const cJSON* child = nullptr;
    cJSON_ArrayForEach(child, node) keys.emplace_back(child->string);
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    if (twice != keys.end()) return invalid(fmt::format("the key \"{}\" stands twice", *twice));
  }
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, node) HEARTH_CHECK(check_duplicates(child));
  return {};
}

// cJSON's texts end at a NUL: one that is spelled out would cut what stands behind it.
bool spells_nul(std::string_view text) {
  constexpr std::string_view kNul = "\\u0000";
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] != '\\') continue;
    if (text.substr(at, kNul.size()) == kNul) return true;
    ++at;  // what is escaped
  }
  return false;
}

}  // namespace

void CjsonDelete::operator()(cJSON* node) const {
  cJSON_Delete(node);
}

Result<JsonReader> JsonReader::parse(std::span<const std::byte> body) {
  if (body.empty()) return JsonReader(CjsonPtr(cJSON_CreateObject()));
  if (body.size() > HEARTH_JSON_BYTES_MAX) return invalid("the JSON body is too large");
  // A terminated copy: cJSON before 1.7.18 may read one byte beyond an unterminated buffer.
  const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
  if (text.find('\0') != std::string::npos) return invalid("the JSON body holds a NUL byte");
  if (utf8_valid_bytes(text) != text.size()) return invalid("the JSON body is not UTF-8");
  if (nesting_depth(text) > HEARTH_JSON_DEPTH_MAX) {
    return invalid(fmt::format("the JSON body is nested deeper than {}", HEARTH_JSON_DEPTH_MAX));
  }
  if (spells_nul(text)) return invalid("a text in the JSON body holds \\u0000");
  const char* end = nullptr;
  CjsonPtr root(cJSON_ParseWithLengthOpts(text.c_str(), text.size() + 1, &end,
                                          /*require_null_terminated=*/true));
  if (!root) {
    const std::ptrdiff_t offset = end == nullptr ? 0 : end - text.c_str();
    return invalid(fmt::format("the body is not JSON: see byte {}", offset));
  }
  if (!cJSON_IsObject(root.get())) return invalid("the JSON body is not an object");
  HEARTH_CHECK(check_duplicates(root.get()));
  return JsonReader(std::move(root));
}

// An explicit null counts as absent: no opinion.
const cJSON* JsonReader::take(const char* key) {
  asked_.emplace_back(key);
  const cJSON* value = cJSON_GetObjectItemCaseSensitive(root_.get(), key);
  return value == nullptr || cJSON_IsNull(value) ? nullptr : value;
}

Result<std::optional<std::string>> JsonReader::string(const char* key) {
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!cJSON_IsString(value)) return invalid(fmt::format("{}: not a string", key));
  return std::optional<std::string>(value->valuestring);
}

Result<std::string> JsonReader::require_string(const char* key) {
  HEARTH_TRY(auto value, string(key));
  if (!value) return invalid(fmt::format("{}: missing", key));
  return *std::move(value);
}

Result<std::optional<bool>> JsonReader::boolean(const char* key) {
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<bool>();
  if (!cJSON_IsBool(value)) return invalid(fmt::format("{}: neither true nor false", key));
  return std::optional<bool>(cJSON_IsTrue(value) != 0);
}

Result<std::optional<double>> JsonReader::number(const char* key, double min, double max) {
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<double>();
  if (!cJSON_IsNumber(value)) return invalid(fmt::format("{}: not a number", key));
  const double number = value->valuedouble;
  if (!(number >= min && number <= max)) {  // NaN fails both
    return invalid(
        fmt::format("{}: {} is out of range, {} to {} are possible", key, number, min, max));
  }
  return std::optional<double>(number);
}

Result<std::optional<std::int64_t>> JsonReader::integer(const char* key, std::int64_t min,
                                                        std::int64_t max) {
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!cJSON_IsNumber(value)) return invalid(fmt::format("{}: not a number", key));
  const double number = value->valuedouble;
  if (!(std::abs(number) <= kExactMax) || number != std::floor(number)) {
    return invalid(fmt::format("{}: {} is not a whole number", key, number));
  }
  const auto whole = static_cast<std::int64_t>(number);
  if (whole < min || whole > max) {
    return invalid(
        fmt::format("{}: {} is out of range, {} to {} are possible", key, whole, min, max));
  }
  return std::optional<std::int64_t>(whole);
}

Result<std::optional<std::vector<std::string>>> JsonReader::strings(const char* key,
                                                                    std::size_t count_max,
                                                                    std::size_t bytes_max) {
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<std::vector<std::string>>();
  if (!cJSON_IsArray(value)) return invalid(fmt::format("{}: not an array", key));
  std::vector<std::string> strings;
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, value) {
    if (!cJSON_IsString(child)) return invalid(fmt::format("{}: holds what is not a string", key));
    strings.emplace_back(child->valuestring);
    if (strings.size() > count_max) {
      return invalid(fmt::format("{}: more than {} texts", key, count_max));
    }
    if (strings.back().empty() || strings.back().size() > bytes_max) {
      return invalid(fmt::format("{}: a text of {} bytes, 1 to {} are possible", key,
                                 strings.back().size(), bytes_max));
    }
  }
  return std::optional(std::move(strings));
}

Result<std::optional<std::vector<std::pair<std::int32_t, float>>>> JsonReader::biases(
    const char* key, std::size_t count_max) {
  constexpr double kBiasMax = 1e6;
  using Biases = std::vector<std::pair<std::int32_t, float>>;
  const cJSON* value = take(key);
  if (value == nullptr) return std::optional<Biases>();
  if (!cJSON_IsArray(value)) return invalid(fmt::format("{}: not an array", key));
  Biases biases;
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, value) {
    if (biases.size() == count_max) return invalid(fmt::format("{}: more than {}", key, count_max));
    const cJSON* id = cJSON_GetArrayItem(child, 0);
    const cJSON* bias = cJSON_GetArrayItem(child, 1);
    if (!cJSON_IsArray(child) || cJSON_GetArraySize(child) != 2 || !cJSON_IsNumber(id) ||
        !(cJSON_IsNumber(bias) || cJSON_IsFalse(bias))) {
      return invalid(
          fmt::format("{}: [{}] is not [id, number] or [id, false]", key, biases.size()));
    }
    if (!(id->valuedouble >= 0 && id->valuedouble <= INT32_MAX) ||
        id->valuedouble != std::floor(id->valuedouble)) {
      return invalid(fmt::format("{}: {} is no token id", key, id->valuedouble));
    }
    const double number = cJSON_IsFalse(bias) ? -HUGE_VAL : bias->valuedouble;
    if (!cJSON_IsFalse(bias) && !(std::abs(number) <= kBiasMax)) {
      return invalid(fmt::format("{}: {} is out of range, -1e6 to 1e6 are possible", key, number));
    }
    biases.emplace_back(static_cast<std::int32_t>(id->valuedouble), static_cast<float>(number));
  }
  return std::optional(std::move(biases));
}

Result<std::vector<std::uint32_t>> JsonReader::rising(const char* key, std::size_t count_max) {
  std::vector<std::uint32_t> numbers;
  const cJSON* value = take(key);
  if (value == nullptr) return numbers;
  if (!cJSON_IsArray(value)) return invalid(fmt::format("{}: not an array", key));
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, value) {
    if (numbers.size() == count_max)
      return invalid(fmt::format("{}: more than {}", key, count_max));
    const double before = numbers.empty() ? 0 : numbers.back();
    const double number = cJSON_IsNumber(child) ? child->valuedouble : 0;
    if (!(number > before && number <= UINT32_MAX) || number != std::floor(number)) {
      return invalid(
          fmt::format("{}[{}]: not a whole number above {}", key, numbers.size(), before));
    }
    numbers.push_back(static_cast<std::uint32_t>(number));
  }
  return numbers;
}

Status JsonReader::done() const {
  const cJSON* child = nullptr;
  cJSON_ArrayForEach(child, root_.get()) {
    if (std::ranges::find(asked_, std::string_view(child->string)) == asked_.end()) {
      return invalid(fmt::format("{}: an unknown key", child->string));
    }
  }
  return {};
}

JsonWriter::JsonWriter() : root_(cJSON_CreateObject()) {}

JsonWriter JsonWriter::array() {
  return JsonWriter(CjsonPtr(cJSON_CreateArray()));
}

JsonWriter& JsonWriter::add(const char* key, const std::string& value) {
  cJSON_AddStringToObject(root_.get(), key, replace_invalid_utf8(value).c_str());
  return *this;
}

JsonWriter& JsonWriter::add(const char* key, const char* value) {
  return add(key, std::string(value));
}

JsonWriter& JsonWriter::add(const char* key, bool value) {
  cJSON_AddBoolToObject(root_.get(), key, value);
  return *this;
}

JsonWriter& JsonWriter::add(const char* key, double value) {
  cJSON_AddNumberToObject(root_.get(), key, value);
  return *this;
}

JsonWriter& JsonWriter::add(const char* key, std::int64_t value) {
  return add(key, static_cast<double>(value));
}

JsonWriter& JsonWriter::add(const char* key, std::uint64_t value) {
  return add(key, static_cast<double>(value));
}

JsonWriter& JsonWriter::add_null(const char* key) {
  cJSON_AddNullToObject(root_.get(), key);
  return *this;
}

JsonWriter& JsonWriter::add(const char* key, JsonWriter value) {
  cJSON_AddItemToObject(root_.get(), key, value.root_.release());
  return *this;
}

JsonWriter& JsonWriter::push(JsonWriter value) {
  cJSON_AddItemToArray(root_.get(), value.root_.release());
  return *this;
}

JsonWriter& JsonWriter::push(const std::string& value) {
  cJSON_AddItemToArray(root_.get(), cJSON_CreateString(replace_invalid_utf8(value).c_str()));
  return *this;
}

JsonWriter& JsonWriter::push(std::int32_t value) {
  cJSON_AddItemToArray(root_.get(), cJSON_CreateNumber(value));
  return *this;
}

std::string JsonWriter::text() const {
  const std::unique_ptr<char, decltype(&cJSON_free)> printed(cJSON_PrintUnformatted(root_.get()),
                                                             &cJSON_free);
  return printed ? printed.get() : "";
}

}  // namespace hearth
