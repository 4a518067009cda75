// A client process of its own: forked, speaks through libhearth, reports through a pipe.
//
// The fork happens in a test that has started no thread.  A child never returns into the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "hearth/hearth.h"

namespace hearth {

struct ClientOutcome {
  int code = HEARTH_EINTERNAL;
  std::int64_t prompt_tokens = 0, cached_tokens = 0;
  std::vector<std::int32_t> tokens;
  bool operator==(const ClientOutcome&) const = default;
};

class ClientProcess {
 public:
  // Greedy, at most 64 tokens.  gate: the child begins when it can read a byte there.
  ClientProcess(const std::string& socket, const std::string& model,
                const std::vector<std::int32_t>& prompt, int max_tokens, int gate = -1) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    from_child_ = UniqueFd(ends[0]);
    pid_ = fork();
    if (pid_ == 0) {
      char byte;
      if (gate >= 0 && read(gate, &byte, 1) != 1) _exit(1);
      run(socket, model, prompt, max_tokens, ends[1]);
      _exit(0);
    }
    close(ends[1]);
  }
  ~ClientProcess() {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  ClientProcess(const ClientProcess&) = delete;
  ClientProcess& operator=(const ClientProcess&) = delete;

  // Wait for the end.
  ClientOutcome outcome() {
    std::vector<std::int64_t> numbers;
    std::int64_t number;
    while (read(from_child_.get(), &number, sizeof(number)) == sizeof(number)) {
      numbers.push_back(number);
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (numbers.size() < 3) return {};
    ClientOutcome outcome = {static_cast<int>(numbers[0]), numbers[1], numbers[2], {}};
    outcome.tokens.assign(numbers.begin() + 3, numbers.end());
    return outcome;
  }

 private:
  static int collect(const hearth_event* event, void* user) {
    auto& numbers = *static_cast<std::vector<std::int64_t>*>(user);
    numbers.insert(numbers.end(), event->ids, event->ids + event->id_count);
    return 1;
  }
  // At most 67 numbers: one write that a pipe takes whole.
  static void run(const std::string& socket, const std::string& model,
                  const std::vector<std::int32_t>& prompt, int max_tokens, int to_parent) {
    std::vector<std::int64_t> numbers = {HEARTH_EINTERNAL, 0, 0};
    hearth_connect_options connect_options;
    hearth_connect_options_init(&connect_options);
    connect_options.socket_path = socket.c_str();
    hearth_client* client = nullptr;
    numbers[0] = hearth_connect(&connect_options, &client);
    if (numbers[0] == HEARTH_OK) {
      hearth_generate_options options;
      hearth_generate_options_init(&options);
      options.model = model.c_str();
      options.prompt_ids = prompt.data();
      options.prompt_id_count = prompt.size();
      options.max_tokens = max_tokens;
      options.temperature = 0;
      hearth_result result;
      hearth_result_init(&result);
      numbers[0] = hearth_generate_each(client, &options, collect, &numbers, &result);
      numbers[1] = result.prompt_tokens;
      numbers[2] = result.cached_tokens;
    }
    hearth_close(client);
    const std::size_t size = numbers.size() * sizeof(numbers[0]);
    if (write(to_parent, numbers.data(), size) != static_cast<ssize_t>(size)) _exit(1);
  }

  UniqueFd from_child_;
  pid_t pid_ = -1;
};

}  // namespace hearth
