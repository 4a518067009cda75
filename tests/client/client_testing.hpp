// What the tests of libhearth share: its objects as owners, and short ways to make them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hearth/hearth.h"
#include "tests/client/fake_daemon.hpp"

namespace hearth::client_test {

struct CloseClient {
  void operator()(hearth_client* client) const { EXPECT_EQ(hearth_close(client), nullptr); }
};
struct CloseStream {
  void operator()(hearth_stream* stream) const { EXPECT_EQ(hearth_stream_close(stream), nullptr); }
};
using Client = std::unique_ptr<hearth_client, CloseClient>;
using Stream = std::unique_ptr<hearth_stream, CloseStream>;

inline Client connect_to(const std::string& socket, std::int32_t timeout_ms = kPatienceMs) {
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  options.socket_path = socket.c_str();
  options.timeout_ms = timeout_ms;
  hearth_client* client = nullptr;
  EXPECT_EQ(hearth_connect(&options, &client), HEARTH_OK) << hearth_connect_error();
  return Client(client);
}

// For a model "m", of a prompt that is text.
inline hearth_generate_options generate_options(const char* prompt = "Once") {
  hearth_generate_options options;
  hearth_generate_options_init(&options);
  options.model = "m";
  options.prompt = prompt;
  options.prompt_size = std::char_traits<char>::length(prompt);
  return options;
}

inline Stream generate(const Client& client,
                       const hearth_generate_options& options = generate_options()) {
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_generate(client.get(), &options, &stream), HEARTH_OK)
      << hearth_last_error(client.get());
  return Stream(stream);
}

inline Stream evaluate(const Client& client, const std::vector<std::int32_t>& ids,
                       bool want_logits = true) {
  hearth_eval_options options;
  hearth_eval_options_init(&options);
  options.model = "m";
  options.ids = ids.data();
  options.id_count = ids.size();
  options.want_logits = want_logits ? 1 : 0;
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_eval(client.get(), &options, &stream), HEARTH_OK)
      << hearth_last_error(client.get());
  return Stream(stream);
}

// The next event; it must come.
inline hearth_event next_event(const Stream& stream, int timeout_ms = kPatienceMs) {
  hearth_event event;
  hearth_event_init(&event);
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, timeout_ms), HEARTH_OK);
  return event;
}
// What reading gives, whatever it is.
inline int read_code(const Stream& stream, int timeout_ms = kPatienceMs) {
  hearth_event event;
  hearth_event_init(&event);
  return hearth_stream_read(stream.get(), &event, timeout_ms);
}

// Everything that a stream gave until it was over.
struct Outcome {
  int code = HEARTH_OK;
  std::vector<std::int32_t> ids;
  std::string text;
  std::vector<float> logits;
  std::size_t logits_rows = 0;
  hearth_result result = {};
};

inline Outcome read_all(const Stream& stream) {
  Outcome outcome;
  hearth_result_init(&outcome.result);
  hearth_event event;
  hearth_event_init(&event);
  do {
    outcome.code = hearth_stream_read(stream.get(), &event, kPatienceMs);
    if (outcome.code != HEARTH_OK) return outcome;
    if (event.kind == HEARTH_EVENT_TOKENS) {
      outcome.ids.insert(outcome.ids.end(), event.ids, event.ids + event.id_count);
      outcome.text.append(event.text, event.text_size);
    } else if (event.kind == HEARTH_EVENT_LOGITS) {
      const std::size_t count = event.logits_rows * event.logits_cols;
      outcome.logits.insert(outcome.logits.end(), event.logits, event.logits + count);
      outcome.logits_rows += event.logits_rows;
    }
  } while (event.kind != HEARTH_EVENT_DONE);
  EXPECT_EQ(hearth_stream_result(stream.get(), &outcome.result), HEARTH_OK);
  return outcome;
}

inline std::string last_error(const Client& client) {
  return hearth_last_error(client.get());
}
inline ::testing::AssertionResult mentions(const std::string& text, const std::string& word) {
  if (text.find(word) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" does not mention " << word;
}

// Descriptors of this process; the one that counts them is always among them.
inline std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator directory("/proc/self/fd");
  return std::distance(begin(directory), end(directory));
}

// An environment variable, until the end of the scope.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~ScopedEnvironment() { set(before_ ? before_->c_str() : nullptr); }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  void set(const char* value) const {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, /*overwrite=*/1);
    }
  }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace hearth::client_test
