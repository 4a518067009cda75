// The messages of a chat in the terminal, as JSON texts.
#pragma once

#include <string>
#include <vector>

#include "cli/json.hpp"
#include "common/result.hpp"

namespace hearth::cli {

class ChatHistory {
 public:
  // What the system's message is; empty: there is none.
  void set_system(std::string text) { system_ = std::move(text); }
  const std::string& system() const { return system_; }

  void add_user(const std::string& text);
  void add_message(std::string json) { messages_.push_back({false, std::move(json)}); }
  // The last message of the user, and all that follows it, go.  False: there is none.
  bool drop_exchange();
  // All that follows the last message of the user goes.  False: there is none.
  bool drop_answer();
  void clear() { messages_.clear(); }
  bool empty() const { return messages_.empty(); }

  // A JSON list, the system's message first.
  std::string json() const;
  // The same in a file, and back from one.  Errors: IO; CONFIG for what is no list of messages.
  Status save(const std::string& path) const;
  Status load(const std::string& path);

 private:
  struct Message {
    bool of_user;
    std::string json;
  };
  std::string system_;
  std::vector<Message> messages_;
};

}  // namespace hearth::cli
