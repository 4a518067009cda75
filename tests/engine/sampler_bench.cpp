// What choosing a token costs for a vocabulary of 151,936, one thread.
//
//   build/release/sampler_bench
//
// Rows are Gaussian with some likely tokens on top: as many as make the entropy about 2 nats, which
// is much for a model that reads sensible text; "flat" rows have none.
#include <benchmark/benchmark.h>

#include <random>

#include "engine/sampler.hpp"

namespace hearth {
namespace {

constexpr std::size_t kVocab = 151'936;

std::vector<float> make_logits(bool flat) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2.5F);
  std::vector<float> logits(kVocab);
  for (float& logit : logits) logit = normal(random);
  for (int i = 0; i < 40 && !flat; ++i) {
    logits[random() % kVocab] = 20 - 0.5F * static_cast<float>(i);
  }
  return logits;
}

void sample(benchmark::State& state, const SamplingParameters& parameters, bool flat) {
  std::vector<float> logits = make_logits(flat);
  SamplerScratch scratch(kVocab, kernels::select_kernels(kernels::cpu_features()).scan);
  std::vector<TokenId> history(500);
  for (std::size_t i = 0; i < history.size(); ++i) history[i] = static_cast<TokenId>(i * 37);
  Sampler sampler(parameters);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(logits, history, scratch));
}

void add_all() {
  const std::vector<std::pair<const char*, SamplingParameters>> settings = {
      {"greedy", {.temperature = 0}},
      {"default: penalty 1.1, top_p 0.9, temperature 0.7", {.penalties = {.repeat = 1.1F}}},
      {"top_k 40, top_p 0.95, min_p 0.05", {.top_k = 40, .top_p = 0.95F, .min_p = 0.05F}},
      {"min_p 0.1", {.top_p = 1, .min_p = 0.1F}},
      {"everything is possible", {.top_p = 1}},
  };
  for (const auto& [name, parameters] : settings) {
    for (const bool flat : {false, true}) {
      benchmark::RegisterBenchmark((name + std::string(flat ? ", flat" : "")).c_str(), sample,
                                   parameters, flat)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  hearth::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
