// How a running stream keeps its pace while another client prefills a long prompt.
//
//   hearthd --model m=FILE &
//   build/release/tests/pace m            prompts of 1500 tokens
//   build/release/tests/pace m 4000
//
// A measurement, not a test: it prints the times between tokens alone, and beside prompts that
// nobody has asked before.  Promised is a factor of at most 2.5.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "hearth/hearth.h"

namespace {

constexpr int kTokens = 400;        // of the stream, a round
constexpr int kRounds = 5;          // alone and beside prompts by turns
constexpr std::int32_t kIds = 200;  // prompts are random ids below this, which every model has

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void check(int code, hearth_client* client, const char* what) {
  if (code == HEARTH_OK) return;
  std::fprintf(stderr, "pace: %s: %s\n", what,
               client != nullptr ? hearth_last_error(client) : hearth_connect_error());
  std::exit(1);
}

std::vector<std::int32_t> random_prompt(std::size_t size) {
  static std::random_device random;
  std::vector<std::int32_t> prompt(size);
  for (std::int32_t& id : prompt) id = static_cast<std::int32_t>(random() % kIds);
  return prompt;
}

hearth_client* connect() {
  hearth_client* client = nullptr;
  check(hearth_connect(nullptr, &client), nullptr, "connect");
  return client;
}

hearth_generate_options greedy(const char* model, const std::vector<std::int32_t>& prompt,
                               int max_tokens) {
  hearth_generate_options options;
  hearth_generate_options_init(&options);
  options.model = model;
  options.prompt_ids = prompt.data();
  options.prompt_id_count = prompt.size();
  options.max_tokens = max_tokens;
  options.temperature = 0;
  options.ignore_eos = 1;
  return options;
}

int note_time(const hearth_event* event, void* user) {
  auto& times = *static_cast<std::vector<double>*>(user);
  for (std::size_t i = 0; i < event->id_count; ++i) times.push_back(now_ms());
  return 1;
}

// The times between the tokens of one stream.
std::vector<double> stream_gaps(hearth_client* client, const char* model) {
  std::vector<double> times;
  const auto prompt = random_prompt(8);
  const hearth_generate_options options = greedy(model, prompt, kTokens);
  check(hearth_generate_each(client, &options, note_time, &times, nullptr), client, "stream");
  std::vector<double> gaps;
  for (std::size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  return gaps;
}

// Prefill prompts one after the other until told to stop; how many tokens there were.
std::int64_t prefill_until(const std::atomic<bool>& stop, const char* model, std::size_t size) {
  hearth_client* client = connect();
  std::int64_t tokens = 0;
  while (!stop) {
    const auto prompt = random_prompt(size);
    const hearth_generate_options options = greedy(model, prompt, 1);
    check(hearth_generate_each(client, &options, nullptr, nullptr, nullptr), client, "prefill");
    tokens += static_cast<std::int64_t>(size);
  }
  hearth_close(client);
  return tokens;
}

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: pace MODEL [PROMPT_TOKENS]\n");
    return 2;
  }
  const char* model = argv[1];
  const auto size = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 1500);
  hearth_client* client = connect();
  stream_gaps(client, model);  // the model loads
  std::vector<double> alone, beside;
  std::int64_t prompt_tokens = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto quiet = stream_gaps(client, model);
    alone.insert(alone.end(), quiet.begin(), quiet.end());
    std::atomic<bool> stop = false;
    std::thread other([&] { prompt_tokens += prefill_until(stop, model, size); });
    const auto busy = stream_gaps(client, model);
    beside.insert(beside.end(), busy.begin(), busy.end());
    stop = true;
    other.join();
  }
  hearth_close(client);
  for (const double p : {0.5, 0.9, 0.99}) {
    const double a = percentile(alone, p), b = percentile(beside, p);
    std::printf("p%-4g time between tokens: alone %.3f ms, beside prefill %.3f ms, factor %.2f\n",
                100 * p, a, b, b / a);
  }
  std::printf("meanwhile %lld prompt tokens were read, %zu a prompt\n",
              static_cast<long long>(prompt_tokens), size);
  return 0;
}
