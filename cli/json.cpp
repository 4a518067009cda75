#include "cli/json.hpp"

#include <cjson/cJSON.h>

#include <new>

namespace hearth::cli {
namespace {

void require(bool done) {
  if (!done) throw std::bad_alloc();  // as every other allocation of this program
}

// The length of the UTF-8 character at the front, 0 when there is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond Unicode.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return size;
}

// cJSON ends strings at a NUL, and prints bytes as they are.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = text[0] == '\0' ? 0 : character_size(text);
    out += size == 0 ? "\xef\xbf\xbd" : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

std::string print(const cJSON* node) {
  char* text = cJSON_PrintUnformatted(node);
  require(text != nullptr);
  std::string copy = text;
  cJSON_free(text);
  return copy;
}

cJSON* array_of(std::span<const std::int32_t> ids) {
  cJSON* array = cJSON_CreateIntArray(ids.data(), static_cast<int>(ids.size()));
  require(array != nullptr);
  return array;
}

}  // namespace

void CjsonDelete::operator()(cJSON* node) const {
  cJSON_Delete(node);
}

JsonObject::JsonObject() : root_(cJSON_CreateObject()) {
  require(root_ != nullptr);
}

JsonObject& JsonObject::add(const char* key, const std::string& value) {
  require(cJSON_AddStringToObject(root_.get(), key, printable(value).c_str()) != nullptr);
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

void JsonView::each(const std::function<void(JsonView)>& visit) const {
  if (!cJSON_IsArray(node_)) return;
  for (const cJSON* item = node_->child; item != nullptr; item = item->next) visit(JsonView(item));
}

JsonDocument::JsonDocument(const std::string& text) : root_(cJSON_Parse(text.c_str())) {}

}  // namespace hearth::cli
