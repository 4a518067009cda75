// See chat_history.hpp.
#include "cli/chat_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "cli/output_file.hpp"

namespace hearth::cli {
namespace {

std::string message(const char* role, const std::string& text) {
  JsonObject json;
  json.add("role", std::string(role)).add("content", text);
  return json.text();
}

}  // namespace

void ChatHistory::add_user(const std::string& text) {
  messages_.push_back({true, message("user", text)});
}

bool ChatHistory::drop_answer() {
  const auto last = std::find_if(messages_.rbegin(), messages_.rend(),
                                 [](const Message& one) { return one.of_user; });
  if (last == messages_.rend()) return false;
  messages_.erase(last.base(), messages_.end());
  return true;
}

bool ChatHistory::drop_exchange() {
  if (!drop_answer()) return false;
  messages_.pop_back();
  return true;
}

std::string ChatHistory::json() const {
  std::string list;
  const auto add = [&](const std::string& json) {
    list += list.empty() ? "[" : ",\n ";
    list += json;
  };
  if (!system_.empty()) add(message("system", system_));
  for (const Message& one : messages_) add(one.json);
  return list.empty() ? "[]" : list + "]";
}

Status ChatHistory::save(const std::string& path) const {
  HEARTH_TRY(OutputFile file, OutputFile::create(path, 0600));
  const std::string text = json() + '\n';
  HEARTH_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status ChatHistory::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return from_errno("open " + path);
  const JsonDocument document(std::string(std::istreambuf_iterator<char>(in), {}));
  ChatHistory read;
  bool fits = document.valid() && document.view().is_array();
  if (fits) {
    document.view().each([&](JsonView one) {
      const std::string role = one["role"].string();
      fits = fits && !role.empty();
      if (role == "system" && read.empty()) {
        read.system_ = one["content"].string();
      } else {
        read.messages_.push_back({role == "user", one.text()});
      }
    });
  }
  if (!fits) return Error{Code::CONFIG, path + ": no JSON list of messages"};
  *this = std::move(read);
  return {};
}

}  // namespace hearth::cli
