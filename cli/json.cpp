// See json.hpp.
#include "cli/json.hpp"

#include <cjson/cJSON.h>
#include <fmt/format.h>

#include <new>

namespace hearth::cli {
namespace {

void require(bool done) {
  if (!done) throw std::bad_alloc();  // as every other allocation of this program
}

// The character, or the part of one, at the front of a text.
struct Character {
  std::size_t size;  // bytes, at least 1
  bool whole;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  const std::size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  // What may follow the lead at once: no overlong forms, surrogates or values beyond Unicode.
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  std::size_t size = 1;
  for (; size < wanted && size < text.size(); ++size) {
    const auto byte = static_cast<unsigned char>(text[size]);
    if (byte < low || byte > high) break;
    low = 0x80;
    high = 0xbf;
  }
  return {size, size == wanted};
}

std::string print(const cJSON* node) {
  char* text = cJSON_PrintUnformatted(node);
  require(text != nullptr);
  std::string copy = text;
  cJSON_free(text);
  return copy;
}

cJSON* array_of(std::span<const std::int32_t> ids) {
  // cJSON takes no null pointer, not even for nothing.
  cJSON* array = ids.empty() ? cJSON_CreateArray()
                             : cJSON_CreateIntArray(ids.data(), static_cast<int>(ids.size()));
  require(array != nullptr);
  return array;
}

}  // namespace

std::string json_string(std::string_view bytes) {
  std::string out = "\"";
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    const auto byte = static_cast<unsigned char>(bytes[0]);
    if (!character.whole) {
      out += "\xef\xbf\xbd";
    } else if (byte == '"' || byte == '\\') {
      out.append({'\\', bytes[0]});
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += bytes.substr(0, character.size);
    }
    bytes.remove_prefix(character.size);
  }
  return out + '"';
}

void CjsonDelete::operator()(cJSON* node) const {
  cJSON_Delete(node);
}

JsonObject::JsonObject() : root_(cJSON_CreateObject()) {
  require(root_ != nullptr);
}

JsonObject& JsonObject::add(const char* key, const std::string& value) {
  // Raw, because cJSON's own strings end at a NUL.
  require(cJSON_AddRawToObject(root_.get(), key, json_string(value).c_str()) != nullptr);
  return *this;
}

JsonObject& JsonObject::add_json(const char* key, const std::string& json) {
  require(cJSON_AddRawToObject(root_.get(), key, json.c_str()) != nullptr);
  return *this;
}

JsonObject& JsonObject::add(const char* key, double value) {
  require(cJSON_AddNumberToObject(root_.get(), key, value) != nullptr);
  return *this;
}

JsonObject& JsonObject::add(const char* key, std::int64_t value) {
  return add(key, static_cast<double>(value));
}

JsonObject& JsonObject::add(const char* key, std::span<const std::int32_t> ids) {
  cJSON_AddItemToObject(root_.get(), key, array_of(ids));
  return *this;
}

JsonObject& JsonObject::add(const char* key, JsonObject value) {
  cJSON_AddItemToObject(root_.get(), key, value.root_.release());
  return *this;
}

std::string JsonObject::text() const {
  return print(root_.get());
}

JsonObject usage_json(const hearth_result& result) {
  JsonObject usage;
  usage.add("prompt_tokens", result.prompt_tokens)
      .add("cached_tokens", result.cached_tokens)
      .add("completion_tokens", result.completion_tokens);
  return usage;
}

std::string json_array(std::span<const std::int32_t> ids) {
  const std::unique_ptr<cJSON, CjsonDelete> array(array_of(ids));
  return print(array.get());
}

bool JsonView::known() const {
  return node_ != nullptr && !cJSON_IsNull(node_);
}

JsonView JsonView::operator[](const char* key) const {
  return JsonView(cJSON_GetObjectItemCaseSensitive(node_, key));
}

double JsonView::number() const {
  return cJSON_IsNumber(node_) ? node_->valuedouble : 0;
}

bool JsonView::boolean() const {
  return cJSON_IsTrue(node_) != 0;
}

std::string JsonView::string() const {
  return cJSON_IsString(node_) ? node_->valuestring : "";
}

bool JsonView::is_array() const {
  return cJSON_IsArray(node_) != 0;
}

std::string JsonView::text() const {
  return node_ == nullptr ? "null" : print(node_);
}

void JsonView::each(const std::function<void(JsonView)>& visit) const {
  if (!cJSON_IsArray(node_)) return;
  for (const cJSON* item = node_->child; item != nullptr; item = item->next) visit(JsonView(item));
}

JsonDocument::JsonDocument(const std::string& text) : root_(cJSON_Parse(text.c_str())) {}

}  // namespace hearth::cli
