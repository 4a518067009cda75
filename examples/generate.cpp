// Two prompts side by side on one connection, in a poll loop of the program's own; C++17.
//
//   generate MODEL PROMPT [MAX_TOKENS]
//
// The second prompt is "PROMPT and": the daemon computes what both share only once.  Nothing here
// blocks but poll(): another program would add its own descriptors to it.
//
//   c++ -std=c++17 generate.cpp $(pkg-config --cflags --libs hearth) -o generate
#include <hearth/hearth.h>
#include <poll.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

struct CloseClient {
  void operator()(hearth_client* client) const { hearth_close(client); }
};
struct CloseStream {
  void operator()(hearth_stream* stream) const { hearth_stream_close(stream); }
};
using Client = std::unique_ptr<hearth_client, CloseClient>;
using Stream = std::unique_ptr<hearth_stream, CloseStream>;

// The text that belongs to the last failed call; the code alone says which kind of failure.
int check(int code, const hearth_client* client) {
  if (code != HEARTH_OK && code != HEARTH_EAGAIN)
    throw std::runtime_error(hearth_last_error(client));
  return code;
}

Client connect() {
  hearth_client* client = nullptr;
  if (hearth_connect(nullptr, &client) != HEARTH_OK) {
    throw std::runtime_error(hearth_connect_error());
  }
  return Client(client);
}

// One prompt and what has come of it.
class Continuation {
 public:
  Continuation(hearth_client* client, const char* model, std::string prompt, int max_tokens)
      : client_(client), text_(std::move(prompt)) {
    hearth_generate_options options;
    hearth_generate_options_init(&options);
    options.model = model;
    options.prompt = text_.data();
    options.prompt_size = text_.size();
    options.raw = 1;
    options.temperature = 0;
    if (max_tokens > 0) options.max_tokens = max_tokens;
    hearth_stream* stream = nullptr;
    check(hearth_generate(client, &options, &stream), client);
    stream_.reset(stream);
  }

  bool done() const { return done_; }
  const std::string& text() const { return text_; }

  // Take in what hearth_process() has left for this stream; never waits.
  void read() {
    hearth_event event;
    hearth_event_init(&event);
    while (!done_ && check(hearth_stream_read(stream_.get(), &event, 0), client_) == HEARTH_OK) {
      if (event.kind == HEARTH_EVENT_TOKENS) text_.append(event.text, event.text_size);
      done_ = event.kind == HEARTH_EVENT_DONE;
    }
  }

  void print_numbers(std::ostream& out) const {
    hearth_result result;
    hearth_result_init(&result);
    check(hearth_stream_result(stream_.get(), &result), client_);
    out << result.prompt_tokens << " prompt tokens (" << result.cached_tokens << " cached), "
        << result.completion_tokens
        << " tokens, stop: " << hearth_stop_reason_name(result.stop_reason) << "\n";
  }

 private:
  hearth_client* client_;  // outlives us
  std::string text_;       // the prompt, then what was generated
  Stream stream_;
  bool done_ = false;
};

void generate(const char* model, const std::string& prompt, int max_tokens) {
  const Client client = connect();
  Continuation first(client.get(), model, prompt, max_tokens);
  Continuation second(client.get(), model, prompt + " and", max_tokens);
  while (!first.done() || !second.done()) {
    pollfd ready = {hearth_fd(client.get()), static_cast<short>(hearth_events(client.get())), 0};
    poll(&ready, 1, -1);
    check(hearth_process(client.get()), client.get());
    first.read();
    second.read();
  }
  for (const Continuation* continuation : {&first, &second}) {
    std::cout << continuation->text() << "\n\n";
    continuation->print_numbers(std::cerr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool asks_for_help = argc == 2 && std::string(argv[1]) == "--help";
  if (asks_for_help || argc < 3 || argc > 4) {
    (asks_for_help ? std::cout : std::cerr) << "usage: generate MODEL PROMPT [MAX_TOKENS]\n";
    return asks_for_help ? EXIT_SUCCESS : 2;
  }
  try {
    generate(argv[1], argv[2], argc == 4 ? std::atoi(argv[3]) : 0);
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "generate: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
